// Workgroups of one dispatch that share a result leave parts of it in nonprivate buffers; the last of `parts` of them to arrive at a
// counter sees them all. Nothing waits. One acquire serves all loads behind it; of a coherent buffer each load would take its own trip.
shared uint arrivals;
bool last_to_arrive(uint counter, uint parts) {
    GATHER();
    if (gl_LocalInvocationID.x == 0) {
        memoryBarrier(gl_ScopeDevice, gl_StorageSemanticsBuffer, GATHERED);  // releases what the barrier has gathered from the others
        arrivals = atomicAdd(arrived[counter], 1u, gl_ScopeDevice, 0, 0) + 1;
        memoryBarrier(gl_ScopeDevice, gl_StorageSemanticsBuffer, GATHERED);  // acquires the other workgroups' parts
        if (arrivals == parts) atomicStore(arrived[counter], 0u, gl_ScopeDevice, 0, 0);
    }
    GATHER();
    return arrivals == parts;
}
