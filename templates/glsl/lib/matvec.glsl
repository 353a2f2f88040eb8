{#
  y[b][n] = sum over k of weight[n][k] * x[b][k], for {{ columns }} columns b (sequences) and {{ height }} rows n.
  A subgroup computes ROWS rows at a time; a lane takes one unit (16 bytes) of each row per step, so that a subgroup reads whole lines.
  The activations are in shared memory (a family with the norm prologue) or come in the lanes layout.
  Families override the block `store` (lane b stores column b of row n) and `finish` where the product is not the result.
#}
{% include "glsl/lib/header.glsl" %}
{% include "glsl/lib/activation.glsl" %}
{% set matrices = 2 if gated else 1 %}
{% set parts = unit // 4 %}
const uint HEIGHT = {{ height }}u;
{% if group %}
const uint SCALES = PADDED / {{ group }}u;  // of a row of weights
{% endif %}
{% include "glsl/lib/weights.glsl" %}
{% if prologue == "norm" %}
{% include "glsl/lib/reduce.glsl" %}
{% include "glsl/lib/norm.glsl" %}
shared vec4 x_shared[{{ parts }}u * UNITS];
{% endif %}
{% block shared %}{% endblock %}

// Part j of unit u of column b's activations.
vec4 activation(uint b, uint j, uint u) {
    return {{ "x_shared[j * UNITS + u]" if prologue == "norm" else "x[(b * " ~ parts ~ "u + j) * UNITS + u]" }};
}

float acc[{{ matrices }}][ROWS][{{ columns }}];

{% if prologue == "norm" %}
// Every workgroup norms the whole row for itself: {{ width }} numbers cost less than another dispatch. It is the last live row: the
// only one of a decode step, and the one of a prefill chunk whose logits matter. `residual_out` is another buffer than `residual`.
void prologue() {
    vec4 h[NORM_PARTS];
    norm_row(params.rows - 1, gl_WorkGroupID.x == 0, h);
    [[unroll]] for (uint i = 0; i < NORM_PARTS; ++i) {
        const uint k = 4 * (gl_LocalInvocationID.x + i * WORKGROUP);
        if (k < PADDED) x_shared[lanes_index(k, 4) / 4] = h[i];
    }
    barrier();
}
{% endif %}

{% macro weight(m) %}{{ ["w", "w_up"][m] }}{% endmacro %}
{% macro each() %}
[[unroll]] for (uint m = 0; m < {{ matrices }}; ++m) [[unroll]] for (uint r = 0; r < ROWS; ++r) [[unroll]] for (uint b = 0; b < {{ columns }}; ++b)
{%- endmacro %}

// Adds one unit of ROWS rows. Parts are the outer loop, so that a weight is unpacked once for all columns.
void accumulate(uint u, uint first) {
    uvec4 packed[{{ matrices }}][ROWS];
{% if group %}
    float scale[{{ matrices }}][ROWS];
{% endif %}
    [[unroll]] for (uint r = 0; r < ROWS; ++r) {
        const uint n = min(first + r, HEIGHT - 1);
{% for m in range(matrices) %}
        packed[{{ m }}][r] = {{ weight(m) }}[n * UNITS + u];
{% if group %}
        scale[{{ m }}][r] = float({{ weight(m) }}_scale[n * SCALES + u * UNIT / {{ group }}]);
{% endif %}
{% endfor %}
    }
{% if columns == 1 and group %}
    // One column: scale the sum, not the weights.
    float sum[{{ matrices }}][ROWS];
    [[unroll]] for (uint m = 0; m < {{ matrices }}; ++m) [[unroll]] for (uint r = 0; r < ROWS; ++r) sum[m][r] = 0.0;
    vec4 x_sum = vec4(0.0);
    [[unroll]] for (uint j = 0; j < {{ parts }}; ++j) {
        const vec4 x_part = activation(0, j, u);
        x_sum += x_part;
        [[unroll]] for (uint m = 0; m < {{ matrices }}; ++m)
            [[unroll]] for (uint r = 0; r < ROWS; ++r) sum[m][r] += dot(unpack_part(packed[m][r], j), x_part);
    }
    {{ each() }} acc[m][r][b] += scale[m][r] * {{ "(sum[m][r] - WEIGHT_ZERO * dot(x_sum, vec4(1.0)))" if quant == "q4_0" else "sum[m][r]" }};
{% else %}
    [[unroll]] for (uint j = 0; j < {{ parts }}; ++j) {
        vec4 x_part[{{ columns }}];
        [[unroll]] for (uint b = 0; b < {{ columns }}; ++b) x_part[b] = activation(b, j, u);
        [[unroll]] for (uint m = 0; m < {{ matrices }}; ++m) {
            [[unroll]] for (uint r = 0; r < ROWS; ++r) {
                const vec4 part = {{ "(unpack_part(packed[m][r], j) - WEIGHT_ZERO)" if quant == "q4_0" else "unpack_part(packed[m][r], j)" }}{{ " * scale[m][r]" if group }};
                [[unroll]] for (uint b = 0; b < {{ columns }}; ++b) acc[m][r][b] += dot(part, x_part[b]);
            }
        }
    }
{% endif %}
}

void product(uint first) {
    {{ each() }} acc[m][r][b] = 0.0;
    for (uint u = gl_SubgroupInvocationID; u < UNITS; u += gl_SubgroupSize) accumulate(u, first);
    {{ each() }} acc[m][r][b] = subgroupAdd(acc[m][r][b]);
}

// The value of this lane's column: lane b stores column b.
float column(uint m, uint r) {
    float value = acc[m][r][0];
    [[unroll]] for (uint b = 1; b < {{ columns }}; ++b) value = gl_SubgroupInvocationID == b ? acc[m][r][b] : value;
    return value;
}

{% block helpers %}{% endblock %}

void main() {
{% if prologue == "norm" %}
    prologue();
{% endif %}
    const uint live = {{ "1" if columns == 1 else "min(params.rows, " ~ columns ~ "u)" }};
    const uint begin = gl_WorkGroupID.x * {{ rows_per_workgroup }}u;
    const uint end = min(begin + {{ rows_per_workgroup }}u, HEIGHT);
    for (uint first = begin + gl_SubgroupID * ROWS; first < end; first += gl_NumSubgroups * ROWS) {
        product(first);
        [[unroll]] for (uint r = 0; r < ROWS; ++r) {
            const uint n = first + r;
            if (n < end && gl_SubgroupInvocationID < live) {
                const uint b = gl_SubgroupInvocationID;
                {% block store %}out_rows[b * HEIGHT + n] = column(0, r);{% endblock %}

            }
        }
    }
    {% block finish %}{% endblock %}
}
