{#
  out[m][n] = sum over k of x[m][k] * w[n][k] with cooperative matrices, for few rows: as in coopmat.glsl, but weights go from memory to the lanes
  that hold them in a fragment, {{ bk }} of K at a time; shared memory has x alone. This takes a device whose fragments lie as NVIDIA's mma.m16n8k16 has
  them: of a factor B lane l has the columns n = l / 4 and n + 8, elements 0 to 3 and 4 to 7, at k = l % 4 * 2 + (0, 1, 8, 9).

  The order of K is free, so lane l takes {{ 8 * pack }} weights side by side, eight words: words 0 to 3 are its elements in a matrix of words, 4 to 7 in a
  second one, and x is stored in the order that meets them.
#}
{% include "glsl/lib/header.glsl" %}
{% set matrices = 2 if gated else 1 %}
{% set names = ["w", "w_up"] %}
{% set each = 8 * pack %}
{% set steps = padded // bk %}
{% set ranged = x_type == "scaled" and operand == "f16" %}
{% set x_size = bm * bk // 8 + 16 %}
const uint BM = {{ bm }}u;
const uint BN = {{ bn }}u;
const uint BK = {{ bk }}u;
const uint HEIGHT = {{ height }}u;
const uint STEPS = {{ steps }}u;
const uint W_ROW = {{ padded // each }}u;  // units of sixteen bytes
const uint X_ROW = {{ padded // 16 }}u;    // items of sixteen halves
const uint X_ITEMS = BK / 16u;
const uint X_LOADS = (BM * X_ITEMS + WORKGROUP - 1u) / WORKGROUP;
{% include "glsl/lib/coopmat_common.glsl" %}
// A tile's rows lie in 16 strides, row r in stride r % 16: the rows of a matrix are an odd number of units apart, which spreads them over the banks.
const uint X_STRIDE = {{ x_size // 16 }}u;
shared uvec4 tiles[{{ [x_size, bm // wm * bn * 4] | max }}];
uint x_at(uint row) { return row % 16 * X_STRIDE + row / 16 * {{ bk // 8 }}u; }
// Which row and part an item of a step is: the lanes that store at once hit all banks.
uint x_row(uint item) { return item / 4 % BM; }
uint x_part(uint item) { return {{ "item % 4 * 2 + item / (4 * BM) % 2" if pack == 4 else "item % 4" }}; }
{% include "glsl/lib/coopmat_begin_rows.glsl" %}

uvec4 x_next[X_LOADS][2];
{% if x_type == "scaled" %}
float x_scale_next[X_LOADS];
{% endif %}
uint x_from[X_LOADS];
uint x_to[X_LOADS];  // in words
void place_rows(uint m0) {
    [[unroll]] for (uint i = 0; i < X_LOADS; ++i) {
        const uint item = gl_LocalInvocationID.x + i * WORKGROUP;
        const uint part = x_part(item);
        x_from[i] = held(min(m0 + x_row(item), max(params.rows, 1u) - 1u) * X_ROW + part);
        x_to[i] = held((x_at(x_row(item)) + {{ "part % 2 * 4" if pack == 4 else "0" }}) * 4 + part{{ " / 2" if pack == 4 }});
    }
}
void load_rows(uint step) {
    [[unroll]] for (uint i = 0; i < X_LOADS; ++i) {
        const uint at = x_from[i] + step * X_ITEMS;
        [[unroll]] for (uint v = 0; v < 2; ++v) x_next[i][v] = x[at * 2 + v];
{% if x_type == "scaled" %}
        x_scale_next[i] = x_scale[at / 2];
{% endif %}
    }
}
// Even and odd columns belong to different matrices; a pair of either is one word of a unit.
void store_rows() {
    [[unroll]] for (uint i = 0; i < X_LOADS; ++i) {
        if (X_LOADS * WORKGROUP > BM * X_ITEMS && gl_LocalInvocationID.x + i * WORKGROUP >= BM * X_ITEMS) break;
        [[unroll]] for (uint c = 0; c < 4; ++c) {
            uvec2 both = uvec2(x_next[i][c / 2][c % 2 * 2], x_next[i][c / 2][c % 2 * 2 + 1]);
{% if ranged %}
            const float16_t factor = float16_t(x_scale_next[i] * x_factor[i]);
            [[unroll]] for (uint v = 0; v < 2; ++v) both[v] = packFloat2x16(unpackFloat2x16(both[v]) * factor);
{% endif %}
            const uint to = x_to[i] / 4 + c / 2 * {{ 2 * pack }} + c % 2;
            tiles[to][x_to[i] % 4] = both.x & 0xFFFFu | both.y << 16;
            tiles[to + 2][x_to[i] % 4] = both.x >> 16 | both.y & 0xFFFF0000u;
        }
    }
}

// Of two steps in turn: what is copied from one variable to another is waited for there.
uint w_from;
uvec4 words[2][{{ matrices }}][WN / 16][2];
float16_t scale[2][{{ matrices }}][WN / 16][2];
void load_weights(uint turn, uint step) {
{% for m in range(matrices) %}
    [[unroll]] for (uint j = 0; j < WN / 8; ++j) {
        const uint at = w_from + step * 4 + j * 8 * W_ROW;
        words[turn][{{ m }}][j / 2][j % 2] = {{ names[m] }}[at];
        scale[turn][{{ m }}][j / 2][j % 2] = float16_t({{ names[m] }}_scale[at{{ " / 2" if pack == 2 }}]);
    }
{% endfor %}
}
{% include "glsl/lib/coopmat_out.glsl" %}

void main() {
{% include "glsl/lib/coopmat_begin.glsl" %}
    // A subgroup beyond the last row computes some others; its results are not stored.
    w_from = held((min(n0 + sn, HEIGHT - WN) + gl_SubgroupInvocationID / 4) * W_ROW + gl_SubgroupInvocationID % 4);
    thousand = 0x64006400u + (w_from >> 31);  // + 0; what all lanes share is kept in a register of another kind, from which every use copies it
    place_rows(m0);
    load_weights(0, begin);
    begin_rows(m0);
    load_rows(begin);
    for (uint first = begin; first < end; first += 2) {
        [[unroll]] for (uint turn = 0; turn < 2; ++turn) {
            barrier();
            store_rows();
            barrier();
            const uint next = min(first + turn + 1, end - 1);
            load_rows(next);
            load_weights(1 - turn, next);
            [[unroll]] for (uint p = 0; p < {{ 2 * pack }}; ++p) {
                FACTOR(float16_t, gl_MatrixUseA) a[WM / 16];
                [[unroll]] for (uint i = 0; i < WM / 16; ++i)
                    coopMatLoad(a[i], tiles, x_at(sm + i * 16) + p * 2, X_STRIDE, gl_CooperativeMatrixLayoutRowMajor);
                [[unroll]] for (uint j = 0; j < WN / 16; ++j) {
                    [[unroll]] for (uint m = 0; m < {{ matrices }}; ++m) {
                        FACTOR(float16_t, gl_MatrixUseB) b;
                        [[unroll]] for (uint e = 0; e < 8; e += 2) {
                            const f16vec2 pair = unpackFloat2x16(words[turn][m][j][e / 4][p / {{ pack }} * 2 + e / 2 % 2]);
                            const f16vec2 both = decode(pair, p % {{ pack }}) * f16vec2(scale[turn][m][j][e / 4]);
                            b[e] = both.x;
                            b[e + 1] = both.y;
                        }
                        [[unroll]] for (uint i = 0; i < WM / 16; ++i) sum[m][i][j] = coopMatMulAdd(a[i], b, sum[m][i][j]);
                    }
                }
            }
        }
    }
{% include "glsl/lib/coopmat_end.glsl" %}
}
