{#
  y[n] = sum over k of weight[n][k] * x[k] for one row of activations, by integer dot products.
  Activations are in shared memory as 16-bit integers (templates/glsl/lib/quantize.glsl). A subgroup computes ROWS rows at a time, a lane
  one unit (16 bytes of weights) of each per step. The weights of DEPTH steps are in flight, the first of them while the activations are
  made.
  Families override the block `store` (element n of the result) and `finish` where the product is not the result.
#}
{% include "glsl/lib/header.glsl" %}
{% include "glsl/lib/activation.glsl" %}
{% set matrices = 2 if gated else 1 %}
const uint HEIGHT = {{ height }}u;
const uint SCALES = PADDED / {{ group }}u;  // of a row of weights
{% if subgroup %}
const uint LANES = {{ subgroup }}u;
{% else %}
#define LANES gl_SubgroupSize
{% endif %}
#define STEPS ((UNITS + LANES - 1u) / LANES)
{% include "glsl/lib/weights.glsl" %}
{% include "glsl/lib/quantize.glsl" %}
{% include "glsl/lib/gemv_inputs.glsl" %}

shared uint taken;  // rows of the workgroup that its subgroups have taken
shared float sums[{{ matrices }}][{{ rows_per_workgroup }}];
{% macro weight(m) %}{{ ["w", "w_up"][m] }}{% endmacro %}
{% macro each() %}
[[unroll]] for (uint m = 0; m < {{ matrices }}; ++m) [[unroll]] for (uint r = 0; r < ROWS; ++r)
{%- endmacro %}
uvec4 packed[DEPTH][{{ matrices }}][ROWS];
{{ "float16_t" if scale_type == "f16" else "float" }} weight_scale[DEPTH][{{ matrices }}][ROWS];
float acc[{{ matrices }}][ROWS];

// Asks for the weights of DEPTH steps of ROWS rows, clamped to what there is: without a branch the compiler puts the loads side by side.
void load(uint first, uint step) {
    [[unroll]] for (uint d = 0; d < DEPTH; ++d) {
        const uint u = min((step + d) * LANES + gl_SubgroupInvocationID, UNITS - 1);
        [[unroll]] for (uint r = 0; r < ROWS; ++r) {
            const uint n = min(first + r, HEIGHT - 1);
{% for m in range(matrices) %}
            packed[d][{{ m }}][r] = {{ weight(m) }}[n * UNITS + u];
            weight_scale[d][{{ m }}][r] = {{ weight(m) }}_scale[n * SCALES + u * UNIT / {{ group }}];
{% endfor %}
        }
    }
}
// The next rows for this subgroup: whichever is ready takes them, for the memory serves some sooner than others.
uint take() {
    uint rows = 0;
    if (gl_SubgroupInvocationID == 0) rows = atomicAdd(taken, ROWS);
    return subgroupShuffle(rows, 0);
}
void accumulate(uint d, uint step) {
    const uint wanted = step * LANES + gl_SubgroupInvocationID;
    const uint u = min(wanted, UNITS - 1);
    int high[{{ matrices }}][ROWS], low[{{ matrices }}][ROWS];
    {{ each() }} high[m][r] = low[m][r] = 0;
    [[unroll]] for (uint j = 0; j < UNIT / 16u; ++j) {
        const uvec4 x_high = high_shared[j * UNITS + u];
        const uvec4 x_low = low_shared[j * UNITS + u];
        [[unroll]] for (uint i = 0; i < 4; ++i) {
            {{ each() }} {
                const int integers = int(unpack_int8(packed[d][m][r], 4 * j + i));
                high[m][r] += dotPacked4x8EXT(integers, int(x_high[i]));
                low[m][r] += dotPacked4x8EXT(integers, int(x_low[i]));
            }
        }
    }
    const vec2 block = scale_shared[u * UNIT / 32];
    const float scale = wanted < UNITS ? block.x : 0.0;
    {{ each() }} {
        const int sum = 256 * high[m][r] + low[m][r]{{ " - int(WEIGHT_ZERO) * floatBitsToInt(block.y)" if quant == "q4_0" }};
        acc[m][r] += float(weight_scale[d][m][r]) * scale * float(sum);
    }
}

{% block shared %}{% endblock %}
{% block helpers %}{% endblock %}

void main() {
    const uint begin = gl_WorkGroupID.x * {{ rows_per_workgroup }}u;
    const uint end = min(begin + {{ rows_per_workgroup }}u, HEIGHT);
    if (gl_LocalInvocationID.x == 0) taken = gl_NumSubgroups * ROWS;
    uint first = begin + gl_SubgroupID * ROWS;
    uint step = 0;
{% if chained %}
    ask_weights();
    if (first < end) load(first, step);
    await();
    ask();
{% else %}
    ask();
    ask_weights();
    if (first < end) load(first, step);
{% endif %}
    prologue();
    {{ each() }} acc[m][r] = 0.0;
    while (first < end) {
        [[unroll]] for (uint d = 0; d < DEPTH; ++d)
            if (step + d < STEPS) accumulate(d, step + d);
        const bool done = step + DEPTH >= STEPS;
        const uint next = done ? begin + take() : first;
        step = done ? 0 : step + DEPTH;
        if (next < end) load(next, step);
        if (done) {
            {{ each() }} {
                const float sum = subgroupAdd(acc[m][r]);
                if (subgroupElect() && first + r < end) sums[m][first + r - begin] = sum;
                acc[m][r] = 0.0;
            }
        }
        first = next;
    }
    barrier();
    const float scale = norm_scale(){{ " * in_time" if chained }};
    const uint b = 0;  // the blocks are of the forms for several rows too
    const uint live = 1;
    for (uint n = begin + gl_LocalInvocationID.x; n < end; n += WORKGROUP) {
        float value[{{ matrices }}];
        [[unroll]] for (uint m = 0; m < {{ matrices }}; ++m) value[m] = sums[m][n - begin] * scale;
        {% block store %}out_rows[n] = value[0];{% endblock %}

    }
    {% block finish %}{% endblock %}
{% if chained %}
    arrive();
{% endif %}
}
