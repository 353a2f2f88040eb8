{#
  Loads of one K step of {{ bk }} for the matrix forms: global -> registers (prefetched while the step before computes) -> shared.
  x is row-major [rows, PADDED], halves or floats; w is [HEIGHT, PADDED] in its planes. The tails of K are zero in memory; what a
  last step has beyond them is zero in x, and some weight or other in w.
#}
{% set x_each = 4 if x_type == "f32" else 8 %}
{% set w_each = 8 if quant == "f16" else 16 %}
const uint BM = {{ bm }}u;
const uint BN = {{ bn }}u;
const uint BK = {{ bk }}u;
const uint HEIGHT = {{ height }}u;
const uint PADDED = {{ padded }}u;
{% if group %}
const uint SCALES = PADDED / {{ group }}u;  // of a row of weights
{% endif %}
const uint STEPS = (PADDED + BK - 1u) / BK;
// Items of 16 bytes (q4_0: 8) that a row of x and of w has in a step, and how many of all rows a thread takes.
const uint X_ITEMS = BK / {{ x_each }}u;
const uint W_ITEMS = BK / {{ w_each }}u;
const uint X_LOADS = (BM * X_ITEMS + WORKGROUP - 1u) / WORKGROUP;
const uint W_LOADS = (BN * W_ITEMS + WORKGROUP - 1u) / WORKGROUP;

{{ "vec4" if x_type == "f32" else "uvec4" }} x_next[X_LOADS];
{% for m in range(matrices) %}
{{ "uvec2" if quant == "q4_0" else "uvec4" }} w{{ m }}_next[W_LOADS];
{% if group %}
float w{{ m }}_scale_next[W_LOADS];
{% endif %}
{% endfor %}
{% if scaled_x %}
// A row of x may leave the range of halves: it is scaled by a power of two that takes its largest value to 2^14..2^15.
uint row_factor_bits(uint row) { return uint(clamp(268 - int(row_max[row] >> 23), 1, 254)); }
float x_factor[X_LOADS];
{% endif %}

void load_step(uint step, uint m0, uint n0) {
    [[unroll]] for (uint i = 0; i < X_LOADS; ++i) {
        const uint item = gl_LocalInvocationID.x + i * WORKGROUP;
        // Rows that are not live are clamped, not branched around (their results are not stored), so that loads lie side by side.
        const uint row = min(m0 + item / X_ITEMS, max(params.rows, 1u) - 1u);
        const uint at = step * X_ITEMS + item % X_ITEMS;
{% if padded % bk %}
        x_next[i] = x[row * (PADDED / {{ x_each }}u) + min(at, PADDED / {{ x_each }}u - 1u)];
        if (at >= PADDED / {{ x_each }}u) x_next[i] = {{ "vec4(0.0)" if x_type == "f32" else "uvec4(0)" }};
{% else %}
        x_next[i] = x[row * (PADDED / {{ x_each }}u) + at];
{% endif %}
    }
    [[unroll]] for (uint i = 0; i < W_LOADS; ++i) {
        const uint item = gl_LocalInvocationID.x + i * WORKGROUP;
        const uint row = min(n0 + item / W_ITEMS, HEIGHT - 1u);
        const uint part = step * W_ITEMS + item % W_ITEMS;
        const uint at = {{ "min(part, PADDED / %du - 1u)" % w_each if padded % bk else "part" }};
{% for m in range(matrices) %}
        w{{ m }}_next[i] = {{ names[m] }}[row * (PADDED / {{ w_each }}u) + at];
{% if group %}
        w{{ m }}_scale_next[i] = float({{ names[m] }}_scale[row * SCALES + at{{ " / 2u" if group == 32 }}]);
{% endif %}
{% endfor %}
    }
}

void store_step() {
    [[unroll]] for (uint i = 0; i < X_LOADS; ++i) {
        const uint item = gl_LocalInvocationID.x + i * WORKGROUP;
        if (item < BM * X_ITEMS) {
            const uint row = item / X_ITEMS;
            const uint k = (item % X_ITEMS) * {{ x_each }}u;
{% if x_type == "f32" %}
            put_x(row, k, x_next[i]{{ " * x_factor[i]" if scaled_x }});
{% else %}
            put_x(row, k, vec4(unpackHalf2x16(x_next[i].x), unpackHalf2x16(x_next[i].y)));
            put_x(row, k + 4, vec4(unpackHalf2x16(x_next[i].z), unpackHalf2x16(x_next[i].w)));
{% endif %}
        }
    }
    [[unroll]] for (uint i = 0; i < W_LOADS; ++i) {
        const uint item = gl_LocalInvocationID.x + i * WORKGROUP;
        if (item < BN * W_ITEMS) {
            const uint row = item / W_ITEMS;
            const uint part = item % W_ITEMS;
{% for m in range(matrices) %}
{% if quant == "q4_0" %}
            // Half a block: eight of its first sixteen weights in the low nibbles, eight of the last in the high ones.
            const uint k{{ m }} = part / 2 * 32 + part % 2 * 8;
            [[unroll]] for (uint j = 0; j < 2; ++j) {
                put_w({{ m }}, row, k{{ m }} + j * 4, (vec4(unpack8(w{{ m }}_next[i][j] & 0x0F0F0F0Fu)) - 8.0) * w{{ m }}_scale_next[i]);
                put_w({{ m }}, row, k{{ m }} + j * 4 + 16, (vec4(unpack8((w{{ m }}_next[i][j] >> 4) & 0x0F0F0F0Fu)) - 8.0) * w{{ m }}_scale_next[i]);
            }
{% elif group %}
            [[unroll]] for (uint j = 0; j < 4; ++j) put_w({{ m }}, row, part * 16 + j * 4, vec4(unpack8(int(w{{ m }}_next[i][j]))) * w{{ m }}_scale_next[i]);
{% else %}
            [[unroll]] for (uint j = 0; j < 2; ++j) put_w({{ m }}, row, part * 8 + j * 4, vec4(unpackHalf2x16(w{{ m }}_next[i][2 * j]), unpackHalf2x16(w{{ m }}_next[i][2 * j + 1])));
{% endif %}
{% endfor %}
        }
    }
}
{% if scaled_x %}

void load_factors(uint m0) {
    [[unroll]] for (uint i = 0; i < X_LOADS; ++i) {
        const uint row = m0 + (gl_LocalInvocationID.x + i * WORKGROUP) / X_ITEMS;
        x_factor[i] = uintBitsToFloat(row_factor_bits(min(row, max(params.rows, 1u) - 1u)) << 23);
    }
}
{% endif %}
