{#
  Loads of one K step of {{ bk }} for the matrix forms: from memory to registers, one step ahead of what is computed.
  x is row-major [rows, PADDED], floats or halves (scaled: with a scale for every 32), eight of them an item; w is [HEIGHT, PADDED] in its planes, {{ w_each }} an item. The tails of K are
  zero in memory; what a last step has beyond them is zero in x, and some weight or other in w. The form says which item is which: x_row, x_part,
  w_row and w_part.
#}
const uint BM = {{ bm }}u;
const uint BN = {{ bn }}u;
const uint BK = {{ bk }}u;
const uint HEIGHT = {{ height }}u;
const uint PADDED = {{ padded }}u;
{% if group %}
const uint SCALES = PADDED / {{ group }}u;  // of a row of weights
{% endif %}
const uint STEPS = (PADDED + BK - 1u) / BK;
// Items that a row of x and of w has in a step, and how many of all rows a thread takes.
const uint X_ITEMS = BK / 8u;
const uint W_ITEMS = BK / {{ w_each }}u;
const uint X_LOADS = (BM * X_ITEMS + WORKGROUP - 1u) / WORKGROUP;
const uint W_LOADS = (BN * W_ITEMS + WORKGROUP - 1u) / WORKGROUP;
{% set x_vectors = 2 if x_type == "f32" else 1 %}

{{ "vec4" if x_type == "f32" else "uvec4" }} x_next[X_LOADS][{{ x_vectors }}];
{% if x_type == "scaled" %}
float x_scale_next[X_LOADS];
{% endif %}
{% for m in range(matrices) %}
{{ "uvec2" if w_each * bits == 64 else "uvec4" }} w{{ m }}_next[W_LOADS];
{% if group %}
{{ scale_type }} w{{ m }}_scale_next[W_LOADS];
{% endif %}
{% endfor %}

void load_step(uint step, uint m0, uint n0) {
    [[unroll]] for (uint i = 0; i < W_LOADS; ++i) {
        const uint item = gl_LocalInvocationID.x + i * WORKGROUP;
        const uint row = min(n0 + w_row(item), HEIGHT - 1u);
        const uint part = step * W_ITEMS + w_part(item);
        const uint at = {{ "min(part, PADDED / %du - 1u)" % w_each if padded % bk else "part" }};
{% for m in range(matrices) %}
        w{{ m }}_next[i] = {{ names[m] }}[row * (PADDED / {{ w_each }}u) + at];
{% if group %}
        w{{ m }}_scale_next[i] = {{ scale_type }}({{ names[m] }}_scale[row * SCALES + at{{ " / %du" % (group // w_each) if group > w_each }}]);
{% endif %}
{% endfor %}
    }
    [[unroll]] for (uint i = 0; i < X_LOADS; ++i) {
        const uint item = gl_LocalInvocationID.x + i * WORKGROUP;
        // Rows that are not live are clamped, not branched around (their results are not stored), so that loads lie side by side.
        const uint row = min(m0 + x_row(item), max(params.rows, 1u) - 1u);
        const uint part = step * X_ITEMS + x_part(item);
        const uint at = {{ "min(part, PADDED / 8u - 1u)" if padded % bk else "part" }};
        [[unroll]] for (uint v = 0; v < {{ x_vectors }}; ++v) {
            x_next[i][v] = x[(row * (PADDED / 8u) + at) * {{ x_vectors }} + v];
{% if x_type == "scaled" %}
            x_scale_next[i] = x_scale[(row * (PADDED / 8u) + at) / 4];
{% endif %}
{% if padded % bk %}
            if (part >= PADDED / 8u) x_next[i][v] = {{ "vec4(0.0)" if x_type == "f32" else "uvec4(0)" }};
{% endif %}
        }
    }
}
