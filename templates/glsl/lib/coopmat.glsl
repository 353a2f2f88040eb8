{#
  out[m][n] = sum over k of x[m][k] * w[n][k] with cooperative matrices (16 x 16 x 16, {{ operand }} operands, f32 sums): tiles of {{ bm }} x {{ bn }}
  in shared memory, {{ wm }} x {{ wn }} a subgroup.
#}
{% include "glsl/lib/header.glsl" %}
{% set matrices = 2 if gated else 1 %}
{% set names = ["w", "w_up"] %}
{% set pair = {"f16": "f16vec2", "bf16": "bf16vec2"}[operand] %}
{% set element = {"f16": "float16_t", "bf16": "bfloat16_t"}[operand] %}
const uint WM = {{ wm }}u;
const uint WN = {{ wn }}u;
const uint STRIDE = {{ bk // 2 + 4 }}u;  // of a row in pairs: four pairs of padding keep 16-byte alignment and spread the banks
shared {{ pair }} x_tile[{{ bm }} * STRIDE];
{% for m in range(matrices) %}
shared {{ pair }} w{{ m }}_tile[{{ bn }} * STRIDE];
{% endfor %}
shared float stage[{{ (bm // wm) * (bn // wn) }} * 256];
void put_x(uint row, uint k, vec4 value) {
    x_tile[row * STRIDE + k / 2] = {{ pair }}(value.xy);
    x_tile[row * STRIDE + k / 2 + 1] = {{ pair }}(value.zw);
}
void put_w(uint m, uint row, uint k, vec4 value) {
{% for m in range(matrices) %}
    if (m == {{ m }}) {
        w{{ m }}_tile[row * STRIDE + k / 2] = {{ pair }}(value.xy);
        w{{ m }}_tile[row * STRIDE + k / 2 + 1] = {{ pair }}(value.zw);
    }
{% endfor %}
}
{% set scaled_x = x_type == "f32" and operand == "f16" %}
{% include "glsl/lib/tile_load.glsl" %}
{% if gated %}
{% include "glsl/lib/activate.glsl" %}
{% endif %}

void main() {
    // Consecutive workgroups share a tile of weights, so that those come from memory once.
    const uint m0 = gl_WorkGroupID.x * BM;
    const uint n0 = gl_WorkGroupID.y * BN;
    const uint sm = (gl_SubgroupID / (BN / WN)) * WM;
    const uint sn = (gl_SubgroupID % (BN / WN)) * WN;
{% for m in range(matrices) %}
    coopmat<float, gl_ScopeSubgroup, 16, 16, gl_MatrixUseAccumulator> acc{{ m }}[WM / 16][WN / 16];
    [[unroll]] for (uint i = 0; i < WM / 16; ++i)
        [[unroll]] for (uint j = 0; j < WN / 16; ++j) acc{{ m }}[i][j] = coopmat<float, gl_ScopeSubgroup, 16, 16, gl_MatrixUseAccumulator>(0.0);
{% endfor %}
{% if scaled_x %}
    load_factors(m0);
{% endif %}
    load_step(0, m0, n0);
    for (uint step = 0; step < STEPS; ++step) {
        barrier();
        store_step();
        barrier();
        if (step + 1 < STEPS) load_step(step + 1, m0, n0);
        [[unroll]] for (uint k = 0; k < BK / 2; k += 8) {
            coopmat<{{ element }}, gl_ScopeSubgroup, 16, 16, gl_MatrixUseA> a[WM / 16];
            [[unroll]] for (uint i = 0; i < WM / 16; ++i)
                coopMatLoad(a[i], x_tile, (sm + i * 16) * STRIDE + k, STRIDE, gl_CooperativeMatrixLayoutRowMajor);
            [[unroll]] for (uint j = 0; j < WN / 16; ++j) {
                coopmat<{{ element }}, gl_ScopeSubgroup, 16, 16, gl_MatrixUseB> b;
{% for m in range(matrices) %}
                coopMatLoad(b, w{{ m }}_tile, (sn + j * 16) * STRIDE + k, STRIDE, gl_CooperativeMatrixLayoutColumnMajor);
                [[unroll]] for (uint i = 0; i < WM / 16; ++i) acc{{ m }}[i][j] = coopMatMulAdd(a[i], b, acc{{ m }}[i][j]);
{% endfor %}
            }
        }
    }
    // Elements leave through shared memory: which lane holds which is the device's own affair.
    const uint mine = gl_SubgroupID * 256;
    [[unroll]] for (uint i = 0; i < WM / 16; ++i) {
        float top[256 / {{ subgroup }}];
        [[unroll]] for (uint e = 0; e < 256 / {{ subgroup }}; ++e) top[e] = 0.0;
        [[unroll]] for (uint j = 0; j < WN / 16; ++j) {
{% if gated %}
            [[unroll]] for (uint e = 0; e < acc0[i][j].length(); ++e) acc0[i][j][e] = activate(acc0[i][j][e]) * acc1[i][j][e];
{% endif %}
            coopMatStore(acc0[i][j], stage, mine, 16, gl_CooperativeMatrixLayoutRowMajor);
            subgroupBarrier();
            [[unroll]] for (uint e = 0; e < 256 / {{ subgroup }}; ++e) {
                const uint at = e * {{ subgroup }} + gl_SubgroupInvocationID;
                const uint row = m0 + sm + i * 16 + at / 16;
                const uint n = n0 + sn + j * 16 + at % 16;
                if (row < params.rows && n < {{ out_width }}u) {
                    const float value = stage[mine + at]{{ " * uintBitsToFloat((254u - row_factor_bits(row)) << 23)" if scaled_x }};
                    out_rows[row * {{ out_width }}u + n] = {{ "n < HEIGHT ? value : 0.0" if out_width != height else "value" }};
                    top[e] = n < HEIGHT ? max(top[e], abs(value)) : top[e];
                }
            }
            subgroupBarrier();
        }
{% if gated %}
        [[unroll]] for (uint e = 0; e < 256 / {{ subgroup }}; ++e) {
            const uint row = m0 + sm + i * 16 + (e * {{ subgroup }} + gl_SubgroupInvocationID) / 16;
            const float row_top = subgroupClusteredMax(top[e], 16);
            if (row < params.rows && gl_SubgroupInvocationID % 16 == 0) atomicMax(row_max[row], floatBitsToUint(row_top));
        }
{% endif %}
    }
}
