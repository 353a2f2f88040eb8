// Sum over the workgroup, the same value in every invocation. Uniform control flow only.
shared float reduce_partial[WORKGROUP];
float workgroup_sum(float value) {
    const float part = subgroupAdd(value);
    barrier();  // the previous reduction's readers are done
    if (subgroupElect()) reduce_partial[gl_SubgroupID] = part;
    barrier();
    float total = 0.0;
    for (uint i = gl_SubgroupInvocationID; i < gl_NumSubgroups; i += gl_SubgroupSize) total += reduce_partial[i];
    return subgroupAdd(total);
}
