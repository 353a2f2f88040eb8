// Floats as integers of the same order, so that comparisons are exact everywhere: -0 is +0, and NaN is 0, below everything.
const uint NONE = 0xFFFFFFFFu;
uint key_of(float x) {
    const uint bits = floatBitsToUint(x);
    if ((bits & 0x7FFFFFFFu) > 0x7F800000u) return 0u;
    return bits > 0x80000000u ? ~bits : bits | 0x80000000u;
}
float value_of(uint key) { return uintBitsToFloat(key >= 0x80000000u ? key & 0x7FFFFFFFu : ~key); }

// The greatest key; of equal ones the lowest id.
struct Best { uint key; uint id; };
Best better(Best a, Best b) {
    if (b.key > a.key || (b.key == a.key && b.id < a.id)) return b;
    return a;
}

// The best over the workgroup, the same in every invocation. Uniform control flow only. No device has subgroups smaller than 4.
shared uint best_key[WORKGROUP / 4u];
shared uint best_id[WORKGROUP / 4u];
Best workgroup_best(Best mine) {
    const uint key = subgroupMax(mine.key);
    const uint id = subgroupMin(mine.key == key ? mine.id : NONE);
    barrier();  // the previous reduction's readers are done
    if (subgroupElect()) {
        best_key[gl_SubgroupID] = key;
        best_id[gl_SubgroupID] = id;
    }
    barrier();
    Best best = Best(best_key[0], best_id[0]);
    for (uint i = 1; i < gl_NumSubgroups; ++i) best = better(best, Best(best_key[i], best_id[i]));
    return best;
}
