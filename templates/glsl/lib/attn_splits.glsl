// Splits of the keys over workgroups: each one's part goes to memory, whoever arrives last sees all parts and writes the result.
shared vec2 split_stats[{{ splits }}u * GROUP];
shared bool last;
void merge_splits(uint row, uint head, uint split, uint splits, float all_top[GROUP]) {
    const uint pair = row * KV_HEADS + head;
    const uint mine = pair * {{ splits }}u + split;
    for (uint i = gl_LocalInvocationID.x; i < GROUP_QUADS; i += WORKGROUP) partial[mine * GROUP_QUADS + i] = merged_sum(i);
    [[unroll]] for (uint g = 0; g < GROUP; ++g)
        if (gl_LocalInvocationID.x == g % WORKGROUP) partial_stats[mine * GROUP + g] = vec2(all_top[g], merged_weight(g));
    memoryBarrierBuffer();
    barrier();
    if (gl_LocalInvocationID.x == 0) {
        memoryBarrierBuffer();  // releases what the barrier has gathered from the other invocations
        last = atomicAdd(arrived[pair], 1) == splits - 1;
        memoryBarrierBuffer();  // acquires the other workgroups' parts
        if (last) atomicExchange(arrived[pair], 0);
    }
    barrier();
    memoryBarrierBuffer();
    if (!last) return;
    for (uint i = gl_LocalInvocationID.x; i < splits * GROUP; i += WORKGROUP) split_stats[i] = partial_stats[pair * {{ splits }}u * GROUP + i];
    barrier();
    for (uint i = gl_LocalInvocationID.x; i < GROUP_QUADS; i += WORKGROUP) {
        const uint g = i / HEAD_QUADS;
        float whole_top = NONE;
        for (uint s = 0; s < splits; ++s) whole_top = max(whole_top, split_stats[s * GROUP + g].x);
        vec4 value = vec4(0.0);
        float whole_weight = 0.0;
        for (uint s = 0; s < splits; s += 4) {
            vec4 part[4];
            [[unroll]] for (uint u = 0; u < 4; ++u) part[u] = partial[(pair * {{ splits }}u + min(s + u, splits - 1)) * GROUP_QUADS + i];
            [[unroll]] for (uint u = 0; u < 4; ++u) {
                const vec2 stats = split_stats[min(s + u, splits - 1) * GROUP + g];
                const float factor = s + u < splits ? exp2(stats.x - whole_top) : 0.0;
                whole_weight += factor * stats.y;
                value += factor * part[u];
            }
        }
        write_out(row, (head * GROUP_QUADS + i) * 4, value / whole_weight);
    }
}
