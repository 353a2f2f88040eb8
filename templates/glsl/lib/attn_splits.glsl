// Splits of the keys over workgroups: each one's part goes to memory, whoever arrives last sees all parts and writes the result.
// SLICES of the splits are merged side by side, AHEAD of each slice's parts are asked for at once.
const uint SLICES = WORKGROUP / GROUP_QUADS > SLOTS ? SLOTS : WORKGROUP >= GROUP_QUADS ? WORKGROUP / GROUP_QUADS : 1u;
const uint AHEAD = 8u;
shared vec2 slice_stats[SLICES * GROUP];
{% include "glsl/lib/last_to_arrive.glsl" %}

void merge_splits(uint row, uint head, uint split, uint splits, float all_top[GROUP]) {
    const uint pair = row * KV_HEADS + head;
    const uint pairs = params.rows * KV_HEADS;
    const uint mine = split * pairs + pair;
    for (uint i = gl_LocalInvocationID.x; i < GROUP_QUADS; i += WORKGROUP) partial[mine * GROUP_QUADS + i] = merged_sum(i);
    [[unroll]] for (uint g = 0; g < GROUP; ++g)
        if (gl_LocalInvocationID.x == g % WORKGROUP) partial_stats[mine * GROUP + g] = vec2(all_top[g], merged_weight(g));
    if (!last_to_arrive(pair, splits)) return;
    for (uint item = gl_LocalInvocationID.x; item < SLICES * GROUP_QUADS; item += WORKGROUP) {
        const uint slice = item / GROUP_QUADS;
        const uint i = item % GROUP_QUADS;
        const uint g = i / HEAD_QUADS;
        float best = NONE, total = 0.0;
        vec4 value = vec4(0.0);
        for (uint first = slice; first < splits; first += SLICES * AHEAD) {
            vec4 part[AHEAD];
            vec2 stats[AHEAD];
            [[unroll]] for (uint u = 0; u < AHEAD; ++u) {
                const uint at = min(first + u * SLICES, splits - 1) * pairs + pair;
                part[u] = partial[at * GROUP_QUADS + i];
                stats[u] = partial_stats[at * GROUP + g];
            }
            float next = best;
            [[unroll]] for (uint u = 0; u < AHEAD; ++u) next = max(next, stats[u].x);
            const float factor = exp2(best - next);
            best = next;
            value *= factor;
            total *= factor;
            [[unroll]] for (uint u = 0; u < AHEAD; ++u) {
                const float share = first + u * SLICES < splits ? exp2(stats[u].x - next) : 0.0;
                value += share * part[u];
                total += share * stats[u].y;
            }
        }
        stage_sum[slice * GROUP_QUADS + i] = value;
        if (i % HEAD_QUADS == 0) slice_stats[slice * GROUP + g] = vec2(best, total);
    }
    barrier();
    for (uint i = gl_LocalInvocationID.x; i < GROUP_QUADS; i += WORKGROUP) {
        const uint g = i / HEAD_QUADS;
        float best = NONE, total = 0.0;
        vec4 value = vec4(0.0);
        [[unroll]] for (uint s = 0; s < SLICES; ++s) best = max(best, slice_stats[s * GROUP + g].x);
        [[unroll]] for (uint s = 0; s < SLICES; ++s) {
            const vec2 stats = slice_stats[s * GROUP + g];
            const float share = exp2(stats.x - best);
            value += share * stage_sum[s * GROUP_QUADS + i];
            total += share * stats.y;
        }
        write_out(row, (head * GROUP_QUADS + i) * 4, value / total);
    }
}
