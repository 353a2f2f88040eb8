// Streams of an online softmax: a group of LANES lanes sums up its keys on its own; all streams of the workgroup become one at the end.
const uint SLOTS = {{ merge_slots }}u;  // subgroups that merge their sums at once
{% if subgroup %}
const uint SUBGROUPS = WORKGROUP / {{ subgroup }}u;  // a constant: loops over them become loads side by side
{% else %}
#define SUBGROUPS gl_NumSubgroups
{% endif %}
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
        [[unroll]] for (uint i = 0; i < SUBGROUPS; ++i) all_top[g] = max(all_top[g], stage_top[i * GROUP + g]);
        const float factor = exp2(top[g] - all_top[g]);
        weight[g] *= factor;
        [[unroll]] for (uint i = 0; i < 2 * UNITS_LANE; ++i) sum[g][i] *= factor;
{% if subgroup %}
        [[unroll]] for (uint d = LANES; d < {{ subgroup }}u; d *= 2) weight[g] += subgroupShuffleXor(weight[g], d);
{% else %}
        for (uint d = LANES; d < gl_SubgroupSize; d *= 2) {
            weight[g] += subgroupShuffleXor(weight[g], d);
            [[unroll]] for (uint i = 0; i < 2 * UNITS_LANE; ++i) sum[g][i] += subgroupShuffleXor(sum[g][i], d);
        }
{% endif %}
    }
    // Quads of this lane's sums, in the order of sum[][]: all of them, or the part that it has after each step halved them.
    vec4 part[GROUP * 2 * UNITS_LANE];
    [[unroll]] for (uint i = 0; i < GROUP * 2 * UNITS_LANE; ++i) part[i] = sum[i / (2 * UNITS_LANE)][i % (2 * UNITS_LANE)];
    uint first = 0;
{% set ns = namespace(count=heads // kv_heads * 2 * ((head_dim // 8 + lanes - 1) // lanes), step=lanes, same=0) %}
{% if subgroup %}
{% for _ in range(6) if ns.step < subgroup %}
{% if ns.count % 2 == 0 %}
{% set ns.count = ns.count // 2 %}
    {
        const bool high = (gl_SubgroupInvocationID & {{ ns.step }}u) != 0;
        first += high ? {{ ns.count }}u : 0u;
        [[unroll]] for (uint i = 0; i < {{ ns.count }}u; ++i) {
            const vec4 kept = high ? part[{{ ns.count }}u + i] : part[i];
            part[i] = kept + subgroupShuffleXor(high ? part[i] : part[{{ ns.count }}u + i], {{ ns.step }}u);
        }
    }
{% else %}
    [[unroll]] for (uint i = 0; i < {{ ns.count }}u; ++i) part[i] += subgroupShuffleXor(part[i], {{ ns.step }}u);
{% set ns.same = ns.same + ns.step %}
{% endif %}
{% set ns.step = ns.step * 2 %}
{% endfor %}
{% endif %}
    // A round of SLOTS subgroups at a time; devices with few subgroups need one.
    const uint slot = gl_SubgroupID % SLOTS;
    for (uint round = 0; round * SLOTS < SUBGROUPS; ++round) {
        if (gl_SubgroupID / SLOTS == round{{ " && (gl_SubgroupInvocationID & %du) == 0" % ns.same if ns.same }}) {
            if (gl_SubgroupInvocationID == 0) {
                [[unroll]] for (uint g = 0; g < GROUP; ++g)
                    stage_weight[slot * GROUP + g] = (round == 0 ? 0.0 : stage_weight[slot * GROUP + g]) + weight[g];
            }
            [[unroll]] for (uint i = 0; i < {{ ns.count }}u; ++i) {
                const uint n = first + i;
                const uint unit = lane + LANES * (n % (2 * UNITS_LANE) / 2);
                if (unit < HEAD_UNITS{{ "" if subgroup else " && gl_SubgroupInvocationID < LANES" }}) {
                    const uint at = slot * GROUP_QUADS + n / (2 * UNITS_LANE) * HEAD_QUADS + 2 * unit + n % 2;
                    stage_sum[at] = (round == 0 ? vec4(0.0) : stage_sum[at]) + part[i];
                }
            }
        }
        barrier();
    }
}
vec4 merged_sum(uint quad) {
    vec4 total = stage_sum[quad];
    [[unroll]] for (uint s = 1; s < SLOTS; ++s)
        if (s < SUBGROUPS) total += stage_sum[s * GROUP_QUADS + quad];
    return total;
}
float merged_weight(uint g) {
    float total = stage_weight[g];
    [[unroll]] for (uint s = 1; s < SLOTS; ++s)
        if (s < SUBGROUPS) total += stage_weight[s * GROUP + g];
    return total{{ " * in_time" if chained }};
}
