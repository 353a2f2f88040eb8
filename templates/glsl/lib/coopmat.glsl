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
{% set element = {"f16": "float16_t", "bf16": "bfloat16_t"}[operand] %}
{% include "glsl/lib/coopmat_common.glsl" %}
{% include "glsl/lib/coopmat_tiles.glsl" %}
{% include "glsl/lib/coopmat_out.glsl" %}

void main() {
{% include "glsl/lib/coopmat_begin.glsl" %}
    place_loads(m0, n0);
    place_stores();
    load_weights(begin);
    begin_rows(m0);
    load_rows(begin);
    for (uint step = begin; step < end; ++step) {
        barrier();
        store_step();
        barrier();
        const uint next = min(step + 1, end - 1);
        load_weights(next);
        load_rows(next);
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
{% include "glsl/lib/coopmat_end.glsl" %}
}
