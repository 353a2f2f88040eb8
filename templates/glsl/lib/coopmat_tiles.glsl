{#
  The tiles of a K step in shared memory. x is there as {{ operand }}. Weights stay packed: a matrix of 16 x 16 words of 16 bits, as if they were
  halves, has {{ 16 * pack }} weights of each of 16 rows, and `decode` takes one matrix of weights after the other out of it, wherever the device keeps which
  element. Beside it stands a matrix of the words' scales.
#}
{% set w_each = 8 * pack %}
{% set scale_type = "float16_t" if group == 32 else "float" %}
{% set x_units = bk // 8 %}
{% set w_units = bk // w_each %}
{% set x_size = bm * x_units + 16 %}
{% set w_size = bn * w_units + 16 %}
{% macro spread(name, units) %}
// Which row and unit of sixteen bytes an item of a step is: eight lanes, which store at once, hit all banks.
{% if units == 2 %}
uint {{ name }}_row(uint item) { return item / 32 * 16 + item / 2 % 4 * 2 + item / 8 % 2 + item / 16 % 2 * 8; }
{% elif units == 4 %}
uint {{ name }}_row(uint item) { return item / 32 * 8 + item / 4 % 2 * 4 + item / 8 % 4; }
{% else %}
uint {{ name }}_row(uint item) { return item / {{ units }}; }
{% endif %}
uint {{ name }}_part(uint item) { return item % {{ units }}; }
{% endmacro %}
const uint W_UNITS = {{ w_units }}u;
// A tile's rows lie in 16 strides, row r in stride r % 16: the rows of a matrix are an odd number of units apart, which spreads them over the banks.
const uint X_STRIDE = {{ x_size // 16 }}u;
const uint W_STRIDE = {{ w_size // 16 }}u;
shared uvec4 tiles[{{ [x_size + matrices * planes * w_size, bm // wm * bn * 4] | max }}];
uint x_at(uint row) { return row % 16 * X_STRIDE + row / 16 * {{ x_units }}u; }
uint w_at(uint m, uint plane, uint row) {
    return {{ x_size }}u + (m * {{ planes }}u + plane) * {{ w_size }}u + row % 16 * W_STRIDE + row / 16 * W_UNITS;
}
{{ spread("x", x_units) }}
{{ spread("w", w_units) }}
{% include "glsl/lib/tile_load.glsl" %}
{% if operand == "bf16" %}
{% include "glsl/lib/bfloat16.glsl" %}
{% endif %}
{% include "glsl/lib/coopmat_begin_rows.glsl" %}
{% if pack > 1 %}

// Bytes i and i + 8 become word i, so that the weights of one index in eight words belong to eight columns side by side.
uvec4 interleave(uvec4 words) {
    uvec4 found;
    [[unroll]] for (uint c = 0; c < 4; ++c) {
        const u8vec4 a = unpack8(words[c / 2]);
        const u8vec4 b = unpack8(words[2 + c / 2]);
        found[c] = c % 2 == 0 ? pack32(u8vec4(a.x, b.x, a.y, b.y)) : pack32(u8vec4(a.z, b.z, a.w, b.w));
    }
    return found;
}
// Where the unit `part` of a row of x belongs: beside that which meets the other half of the words.
uint x_place(uint part) { return {{ "part / 8 * 8 + part % 4 * 2 + part / 4 % 2" if pack == 4 else "part / 4 * 4 + part % 2 * 2 + part / 2 % 2" }}; }
{% else %}
uint x_place(uint part) { return part; }
{% endif %}

// Where in `tiles` an item goes: w in the first plane of the first matrix.
uint x_to[X_LOADS];
uint w_to[W_LOADS];
void place_stores() {
    [[unroll]] for (uint i = 0; i < X_LOADS; ++i) {
        const uint item = gl_LocalInvocationID.x + i * WORKGROUP;
        x_to[i] = held(x_at(x_row(item)) + x_place(x_part(item)));
    }
    [[unroll]] for (uint i = 0; i < W_LOADS; ++i) {
        const uint item = gl_LocalInvocationID.x + i * WORKGROUP;
        w_to[i] = held(w_at(0, 0, w_row(item)) + w_part(item));
    }
{% if pack > 1 %}
    thousand = held(0x64006400u + (params.rows >> 30));  // + 0: a constant would be seen through
{% endif %}
}
void store_step() {
    [[unroll]] for (uint i = 0; i < X_LOADS; ++i) {
        const uint item = gl_LocalInvocationID.x + i * WORKGROUP;
        if (item < BM * X_ITEMS) {
            const uint to = x_to[i];
{% if ranged %}
            const float16_t factor = float16_t(x_scale_next[i] * x_factor[i]);
            uvec4 halves;
            [[unroll]] for (uint c = 0; c < 4; ++c) halves[c] = packFloat2x16(unpackFloat2x16(x_next[i][0][c]) * factor);
            tiles[to] = halves;
{% elif x_type == "scaled" %}
            uvec4 pairs;
            [[unroll]] for (uint c = 0; c < 4; ++c) pairs[c] = bfloat_pair(unpackHalf2x16(x_next[i][0][c]) * x_scale_next[i]);
            tiles[to] = pairs;
{% else %}
            tiles[to] = {{ "bfloats(x_next[i][0])" if operand == "bf16" else "x_next[i][0]" }};
{% endif %}
        }
    }
    [[unroll]] for (uint i = 0; i < W_LOADS; ++i) {
        const uint item = gl_LocalInvocationID.x + i * WORKGROUP;
        if (item < BN * W_ITEMS) {
{% for m in range(matrices) %}
            tiles[w_to[i] + {{ m * planes * w_size }}u] = {{ "interleave(w%d_next[i])" % m if pack > 1 else "w%d_next[i]" % m }};
{% if group %}
            tiles[w_to[i] + {{ (m * planes + 1) * w_size }}u] = uvec4(packFloat2x16(f16vec2(w{{ m }}_scale_next[i])));
{% endif %}
{% endfor %}
        }
    }
}
