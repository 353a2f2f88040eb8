// Dispatches in a chain have no barriers between them. Each begins when there is room for it, asks for what no other writes, and waits
// in its kernel for the one in front: that one is done when all its workgroups have arrived at its counter, and since those that write
// waited before, so are all before it. A counter is that of one dispatch and grows by STEP in each step, when the last of them arrives and not
// earlier; a dispatch of the chain that begins long before its turn finds it where the step before left it, and waits.
const uint STEP = 0x10000u;   // more than there are workgroups; what lies above is the number of the step
const uint POLLS = 1u << 16;  // tens of milliseconds, where a chain needs microseconds
// NaN where the wait was given up, for the results: a device that does not begin dispatches in their order must not hang, nor lie.
shared float in_time;

void await() {
    if (gl_LocalInvocationID.x == 0) {
        uint polls = 0;
        while (atomicLoad(before[0], gl_ScopeDevice, 0, 0) / STEP != params.step / STEP && polls < POLLS) ++polls;
        in_time = polls < POLLS ? 1.0 : uintBitsToFloat(0x7FC00000u);
        memoryBarrier(gl_ScopeDevice, gl_StorageSemanticsBuffer, gl_SemanticsAcquire | gl_SemanticsMakeVisible);
    }
    GATHER();
}
void arrive() {
    GATHER();
    if (gl_LocalInvocationID.x == 0) {
        const uint workgroups = gl_NumWorkGroups.x * gl_NumWorkGroups.y * gl_NumWorkGroups.z;
        memoryBarrier(gl_ScopeDevice, gl_StorageSemanticsBuffer, gl_SemanticsRelease | gl_SemanticsMakeAvailable);
        atomicAdd(here[0], gl_WorkGroupID == uvec3(0) ? STEP + 1u - workgroups : 1u, gl_ScopeDevice, 0, 0);
    }
}
