{#
  How sums leave: `put_out` takes those of one item of a strip of rows, which lie in shared memory.
#}
{% if gated %}
const uint ROW_ITEMS = BN / 8;
// Eight results of a row, as halves; four lanes have the 32 that share a scale.
void put_out(uint row, uint n, uint item) {
    vec4 value[2];
    float top = 0.0;
    [[unroll]] for (uint i = 0; i < 2; ++i) {
        value[i] = uintBitsToFloat(tiles[2 * item + i]);
        [[unroll]] for (uint c = 0; c < 4; ++c) {
{% if out_width != height %}
            if (n + 4 * i + c >= HEIGHT) value[i][c] = 0.0;  // the tail up to whole blocks, for the reader
{% endif %}
            top = max(top, abs(value[i][c]));
        }
    }
    const uint bits = floatBitsToUint(subgroupClusteredMax(top, 4));
    if (row >= params.rows || n >= {{ out_width }}u) return;
    const vec4 low = value[0] * to_range(bits);
    const vec4 high = value[1] * to_range(bits);
    const uint to = (row * {{ out_width }}u + n) / 8;
    out_halves[to] = uvec4(packHalf2x16(low.xy), packHalf2x16(low.zw), packHalf2x16(high.xy), packHalf2x16(high.zw));
    if (to % 4 == 0) {
        out_scale[to / 4] = from_range(bits);
        atomicMax(row_max[row], bits);
    }
}
{% else %}
const uint ROW_ITEMS = BN / 4;
void write_out(uint row, uint n, vec4 value) {
{% if ranged %}
    value *= from_range(row_max[row]);
{% endif %}
{% if out_width % 4 %}
    [[unroll]] for (uint c = 0; c < 4; ++c)
        if (n + c < {{ out_width }}u) out_rows[row * {{ out_width }}u + n + c] = value[c];
{% else %}
    if (n < {{ out_width }}u) out_rows[(row * {{ out_width }}u + n) / 4] = value;
{% endif %}
}
{% if splits == 1 %}
void put_out(uint row, uint n, uint item) {
    if (row < params.rows) write_out(row, n, uintBitsToFloat(tiles[item]));
}
{% else %}
// The sums of each split over its part of K: rows of {{ part_width }}, whole tiles.
uint part_at(uint split, uint row, uint n) { return ((split * {{ part_rows }}u + row) * {{ part_width }}u + n) / 4; }
void put_out(uint row, uint n, uint item) {
    if (row < params.rows) partial[part_at(gl_WorkGroupID.z, row, n)] = uintBitsToFloat(tiles[item]);
}
void put_whole_tile(uint m0, uint n0) {
    for (uint item = gl_LocalInvocationID.x; item < BM * BN / 4; item += WORKGROUP) {
        const uint row = m0 + item / (BN / 4);
        const uint n = n0 + item % (BN / 4) * 4;
        if (row >= params.rows) break;
        vec4 part[{{ splits }}];
        [[unroll]] for (uint s = 0; s < {{ splits }}; ++s) part[s] = partial[part_at(s, row, n)];
        [[unroll]] for (uint s = 1; s < {{ splits }}; ++s) part[0] += part[s];  // in this order, whoever arrives last
        write_out(row, n, part[0]);
    }
}
{% include "glsl/lib/last_to_arrive.glsl" %}
{% endif %}
{% endif %}
