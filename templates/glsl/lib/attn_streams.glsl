// Streams of an online softmax: a group of LANES lanes sums up its keys on its own; all streams of the workgroup become one at the end.
const uint SLOTS = {{ merge_slots }}u;  // subgroups that merge their sums at once
const float NONE = -1e30;  // a running maximum before the first key; finite, so that differences of two of them are
shared float stage_top[WORKGROUP / 8 * GROUP];
shared vec4 stage_sum[SLOTS * GROUP_QUADS];
shared float stage_weight[SLOTS * GROUP];
float top[GROUP];     // running maximum of the scores (in units of log2)
float weight[GROUP];  // sum of 2^(score - top)
vec4 sum[GROUP][2 * UNITS_LANE];

// The streams of the workgroup as one: afterwards stage_sum[g * HEAD_QUADS + quad] and stage_weight[g] hold the sums over all slots,
// relative to the maximum that is returned.
void merge_streams(uint lane, out float all_top[GROUP]) {
    [[unroll]] for (uint g = 0; g < GROUP; ++g) {
        const float part = subgroupMax(top[g]);
        if (subgroupElect()) stage_top[gl_SubgroupID * GROUP + g] = part;
    }
    barrier();
    [[unroll]] for (uint g = 0; g < GROUP; ++g) {
        all_top[g] = NONE;
        for (uint i = 0; i < gl_NumSubgroups; ++i) all_top[g] = max(all_top[g], stage_top[i * GROUP + g]);
        const float factor = exp2(top[g] - all_top[g]);
        weight[g] *= factor;
        [[unroll]] for (uint i = 0; i < 2 * UNITS_LANE; ++i) sum[g][i] *= factor;
        for (uint d = LANES; d < gl_SubgroupSize; d *= 2) {
            weight[g] += subgroupShuffleXor(weight[g], d);
            [[unroll]] for (uint i = 0; i < 2 * UNITS_LANE; ++i) sum[g][i] += subgroupShuffleXor(sum[g][i], d);
        }
    }
    // A round of SLOTS subgroups at a time; devices with few subgroups need one.
    const uint slot = gl_SubgroupID % SLOTS;
    for (uint round = 0; round * SLOTS < gl_NumSubgroups; ++round) {
        if (gl_SubgroupID / SLOTS == round && gl_SubgroupInvocationID < LANES) {
            [[unroll]] for (uint g = 0; g < GROUP; ++g) {
                if (lane == 0) stage_weight[slot * GROUP + g] = (round == 0 ? 0.0 : stage_weight[slot * GROUP + g]) + weight[g];
                [[unroll]] for (uint i = 0; i < UNITS_LANE; ++i) {
                    const uint unit = lane + LANES * i;
                    if (unit < HEAD_UNITS) {
                        const uint at = slot * GROUP_QUADS + g * HEAD_QUADS + 2 * unit;
                        stage_sum[at] = (round == 0 ? vec4(0.0) : stage_sum[at]) + sum[g][2 * i];
                        stage_sum[at + 1] = (round == 0 ? vec4(0.0) : stage_sum[at + 1]) + sum[g][2 * i + 1];
                    }
                }
            }
        }
        barrier();
    }
}
vec4 merged_sum(uint quad) {
    vec4 total = stage_sum[quad];
    for (uint s = 1; s < min(SLOTS, gl_NumSubgroups); ++s) total += stage_sum[s * GROUP_QUADS + quad];
    return total;
}
float merged_weight(uint g) {
    float total = stage_weight[g];
    for (uint s = 1; s < min(SLOTS, gl_NumSubgroups); ++s) total += stage_weight[s * GROUP + g];
    return total;
}
