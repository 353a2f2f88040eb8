{#
  out[m][n] = sum over k of x[m][k] * w[n][k] with cooperative matrices (16 x 16 x 16, {{ operand }} operands, f32 sums): tiles of {{ bm }} x {{ bn }}
  a workgroup, {{ wm }} x {{ wn }} a subgroup; {{ splits }} workgroups share a tile's K, and the last to arrive adds up their sums.
#}
{% include "glsl/lib/header.glsl" %}
{% set matrices = 2 if gated else 1 %}
{% set names = ["w", "w_up"] %}
{% set planes = 2 if group else 1 %}
{% set steps = (padded + bk - 1) // bk %}
{% set ranged = x_type == "scaled" and operand == "f16" %}
const uint WM = {{ wm }}u;
const uint WN = {{ wn }}u;
{% if gated or ranged %}
// The power of two that takes a value with these bits, and what is smaller, to halves: to 2^14..2^15; and the way back.
float to_range(uint bits) { return uintBitsToFloat(uint(clamp(268 - int(bits >> 23), 1, 254)) << 23); }
float from_range(uint bits) { return uintBitsToFloat((254u - uint(clamp(268 - int(bits >> 23), 1, 254))) << 23); }
{% endif %}
{% include "glsl/lib/coopmat_tiles.glsl" %}
#define FACTOR(TYPE, USE) coopmat<TYPE, gl_ScopeSubgroup, 16, 16, USE>
#define SUMS coopmat<float, gl_ScopeSubgroup, 16, 16, gl_MatrixUseAccumulator>
{% set element = {"f16": "float16_t", "bf16": "bfloat16_t"}[operand] %}
{% if gated %}
{% include "glsl/lib/activate.glsl" %}
{% endif %}
{% include "glsl/lib/coopmat_out.glsl" %}

void main() {
    // Consecutive workgroups share a tile of weights, so that those come from memory once.
    const uint m0 = gl_WorkGroupID.x * BM;
    const uint n0 = gl_WorkGroupID.y * BN;
    const uint sm = gl_SubgroupID / (BN / WN) * WM;
    const uint sn = gl_SubgroupID % (BN / WN) * WN;
{% if steps % splits %}
    const uint begin = STEPS * gl_WorkGroupID.z / {{ splits }}u;
    const uint end = STEPS * (gl_WorkGroupID.z + 1) / {{ splits }}u;
{% else %}
    const uint begin = {{ "gl_WorkGroupID.z * %du" % (steps // splits) if splits > 1 else "0" }};  // the compiler likes to know how many steps there are
    const uint end = begin + {{ steps // splits }}u;
{% endif %}
    SUMS sum[{{ matrices }}][WM / 16][WN / 16];
    [[unroll]] for (uint m = 0; m < {{ matrices }}; ++m)
        [[unroll]] for (uint i = 0; i < WM / 16; ++i)
            [[unroll]] for (uint j = 0; j < WN / 16; ++j) sum[m][i][j] = SUMS(0.0);
{% if ranged %}
    load_factors(m0);
{% endif %}
    place_loads(m0, n0);
    place_stores();
    load_step(begin);
    for (uint step = begin; step < end; ++step) {
        barrier();
        store_step();
        barrier();
        load_step(min(step + 1, end - 1));
        [[unroll]] for (uint unit = 0; unit < W_UNITS; unit += 2) {
            FACTOR(float16_t, gl_MatrixUseB) words[{{ matrices }}][WN / 16];
{% if group %}
            FACTOR(float16_t, gl_MatrixUseB) scale[{{ matrices }}][WN / 16];
{% endif %}
            [[unroll]] for (uint m = 0; m < {{ matrices }}; ++m) {
                [[unroll]] for (uint j = 0; j < WN / 16; ++j) {
                    coopMatLoad(words[m][j], tiles, w_at(m, 0, sn + j * 16) + unit, W_STRIDE, gl_CooperativeMatrixLayoutColumnMajor);
{% if group %}
                    coopMatLoad(scale[m][j], tiles, w_at(m, 1, sn + j * 16) + unit, W_STRIDE, gl_CooperativeMatrixLayoutColumnMajor);
{% endif %}
                }
            }
            // The words' weights one after the other: those of index p meet eight columns of x in each half of the words.
            [[unroll]] for (uint p = 0; p < {{ pack }}; ++p) {
                FACTOR({{ element }}, gl_MatrixUseA) a[WM / 16];
                [[unroll]] for (uint i = 0; i < WM / 16; ++i)
                    coopMatLoad(a[i], tiles, x_at(sm + i * 16) + unit * {{ pack }} + 2 * p, X_STRIDE, gl_CooperativeMatrixLayoutRowMajor);
                [[unroll]] for (uint j = 0; j < WN / 16; ++j) {
                    [[unroll]] for (uint m = 0; m < {{ matrices }}; ++m) {
                        FACTOR(float16_t, gl_MatrixUseB) w = words[m][j];
{% if group %}
                        [[unroll]] for (uint e = 0; e < w.length(); e += 2) {
                            const f16vec2 both = decode(f16vec2(words[m][j][e], words[m][j][e + 1]), p) * f16vec2(scale[m][j][e], scale[m][j][e + 1]);
                            w[e] = both.x;
                            w[e + 1] = both.y;
                        }
{% endif %}
                        const FACTOR({{ element }}, gl_MatrixUseB) b = {{ "w" if operand == "f16" else "FACTOR(%s, gl_MatrixUseB)(w)" % element }};
                        [[unroll]] for (uint i = 0; i < WM / 16; ++i) sum[m][i][j] = coopMatMulAdd(a[i], b, sum[m][i][j]);
                    }
                }
            }
        }
    }
    barrier();
    // Elements leave through shared memory, sixteen rows of each subgroup at a time: which lane holds which is the device's own affair.
    const uint strip = gl_SubgroupID / (BN / WN) * 16;
    [[unroll]] for (uint i = 0; i < WM / 16; ++i) {
        if (i > 0) barrier();
        [[unroll]] for (uint j = 0; j < WN / 16; ++j) {
{% if gated %}
            [[unroll]] for (uint e = 0; e < sum[0][i][j].length(); ++e) sum[0][i][j][e] = activate(sum[0][i][j][e]) * sum[1][i][j][e];
{% endif %}
            coopMatStore(sum[0][i][j], tiles, strip * (BN / 4) + (sn + j * 16) / 4, BN / 4, gl_CooperativeMatrixLayoutRowMajor);
        }
        barrier();
        for (uint item = gl_LocalInvocationID.x; item < BM / WM * 16 * ROW_ITEMS; item += WORKGROUP) {
            const uint at = item / ROW_ITEMS;
            put_out(m0 + at / 16 * WM + i * 16 + at % 16, n0 + item % ROW_ITEMS * (BN / ROW_ITEMS), item);
        }
    }
{% if splits > 1 %}
    if (last_to_arrive(gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x, {{ splits }}u)) put_whole_tile(m0, n0);
{% endif %}
}
