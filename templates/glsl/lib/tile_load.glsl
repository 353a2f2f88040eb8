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

// Where in memory an item's row begins{{ "" if padded % bk else ", and the item in it" }}; `held` says whether a step computes it anew.
uint x_from[X_LOADS];
uint w_from[W_LOADS];
void place_loads(uint m0, uint n0) {
    [[unroll]] for (uint i = 0; i < W_LOADS; ++i) {
        const uint item = gl_LocalInvocationID.x + i * WORKGROUP;
        w_from[i] = held(min(n0 + w_row(item), HEIGHT - 1u) * (PADDED / {{ w_each }}u){{ "" if padded % bk else " + w_part(item)" }});
    }
    [[unroll]] for (uint i = 0; i < X_LOADS; ++i) {
        const uint item = gl_LocalInvocationID.x + i * WORKGROUP;
        // Rows that are not live are clamped, not branched around (their results are not stored), so that loads lie side by side.
        x_from[i] = held(min(m0 + x_row(item), max(params.rows, 1u) - 1u) * (PADDED / 8u){{ "" if padded % bk else " + x_part(item)" }});
    }
}
void load_weights(uint step) {
    [[unroll]] for (uint i = 0; i < W_LOADS; ++i) {
{% if padded % bk %}
        const uint at = w_from[i] + min(step * W_ITEMS + w_part(gl_LocalInvocationID.x + i * WORKGROUP), PADDED / {{ w_each }}u - 1u);
{% else %}
        const uint at = w_from[i] + step * W_ITEMS;
{% endif %}
{% for m in range(matrices) %}
        w{{ m }}_next[i] = {{ names[m] }}[at];
{% if group %}
        w{{ m }}_scale_next[i] = {{ scale_type }}({{ names[m] }}_scale[at{{ " / %du" % (group // w_each) if group > w_each }}]);
{% endif %}
{% endfor %}
    }
}
void load_rows(uint step) {
    [[unroll]] for (uint i = 0; i < X_LOADS; ++i) {
{% if padded % bk %}
        const uint part = step * X_ITEMS + x_part(gl_LocalInvocationID.x + i * WORKGROUP);
        const uint at = x_from[i] + min(part, PADDED / 8u - 1u);
{% else %}
        const uint at = x_from[i] + step * X_ITEMS;
{% endif %}
        [[unroll]] for (uint v = 0; v < {{ x_vectors }}; ++v) {
            x_next[i][v] = x[at * {{ x_vectors }} + v];
{% if x_type == "scaled" %}
            x_scale_next[i] = x_scale[at / 4];
{% endif %}
{% if padded % bk %}
            if (part >= PADDED / 8u) x_next[i][v] = {{ "vec4(0.0)" if x_type == "f32" else "uvec4(0)" }};
{% endif %}
        }
    }
}
