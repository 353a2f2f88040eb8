{#
  out[m][n] = sum over k of x[m][k] * w[n][k], in plain floats: tiles of {{ bm }} x {{ bn }} in shared memory, {{ tm }} x {{ tn }} a thread. For devices without
  cooperative matrices, and for those that have them the form to check against.
#}
{% include "glsl/lib/header.glsl" %}
{% set matrices = 2 if gated else 1 %}
{% set names = ["w", "w_up"] %}
const uint TM = {{ tm }}u;
const uint TN = {{ tn }}u;
// K-major, so that a thread reads its rows side by side; one float of padding spreads the transposing writes over the banks.
shared float x_tile[{{ bk }} * {{ bm + 1 }}];
shared float w_tile[{{ matrices }}][{{ bk }} * {{ bn + 1 }}];
void put_x(uint row, uint k, vec4 value) {
    [[unroll]] for (uint i = 0; i < 4; ++i) x_tile[(k + i) * {{ bm + 1 }} + row] = value[i];
}
void put_w(uint m, uint row, uint k, vec4 value) {
    [[unroll]] for (uint i = 0; i < 4; ++i) w_tile[m][(k + i) * {{ bn + 1 }} + row] = value[i];
}
{% set scale_type = "float" %}
{% set w_each = 8 if quant == "f16" else 16 %}
uint x_row(uint item) { return item / {{ bk // 8 }}; }
uint x_part(uint item) { return item % {{ bk // 8 }}; }
uint w_row(uint item) { return item / {{ bk // w_each }}; }
uint w_part(uint item) { return item % {{ bk // w_each }}; }
uint held(uint value) { return value; }
{% include "glsl/lib/tile_load.glsl" %}

void store_step() {
    [[unroll]] for (uint i = 0; i < X_LOADS; ++i) {
        const uint item = gl_LocalInvocationID.x + i * WORKGROUP;
        if (item < BM * X_ITEMS) {
            const uint row = x_row(item);
            const uint k = x_part(item) * 8;
{% if x_type == "f32" %}
            put_x(row, k, x_next[i][0]);
            put_x(row, k + 4, x_next[i][1]);
{% else %}
            put_x(row, k, vec4(unpackHalf2x16(x_next[i][0].x), unpackHalf2x16(x_next[i][0].y)));
            put_x(row, k + 4, vec4(unpackHalf2x16(x_next[i][0].z), unpackHalf2x16(x_next[i][0].w)));
{% endif %}
        }
    }
    [[unroll]] for (uint i = 0; i < W_LOADS; ++i) {
        const uint item = gl_LocalInvocationID.x + i * WORKGROUP;
        if (item < BN * W_ITEMS) {
            const uint row = w_row(item);
            const uint part = w_part(item);
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
{% if gated %}
{% include "glsl/lib/activate.glsl" %}
{% endif %}

void main() {
    // Consecutive workgroups share a tile of weights, so that those come from memory once.
    const uint m0 = gl_WorkGroupID.x * BM;
    if (m0 >= params.rows) return;  // a tile of idle rows
    const uint n0 = gl_WorkGroupID.y * BN;
    const uint tx = gl_LocalInvocationID.x % (BN / TN);
    const uint ty = gl_LocalInvocationID.x / (BN / TN);
    float acc[{{ matrices }}][TM][TN];
    [[unroll]] for (uint m = 0; m < {{ matrices }}; ++m)
        [[unroll]] for (uint i = 0; i < TM; ++i)
            [[unroll]] for (uint j = 0; j < TN; ++j) acc[m][i][j] = 0.0;
    place_loads(m0, n0);
    load_weights(0);
    load_rows(0);
    for (uint step = 0; step < STEPS; ++step) {
        barrier();
        store_step();
        barrier();
        if (step + 1 < STEPS) {
            load_weights(step + 1);
            load_rows(step + 1);
        }
{% if rolled %}
#undef unroll  // of the product: it would take four times as long
{% endif %}
        for (uint k = 0; k < BK; ++k) {
            float a[TM];
            [[unroll]] for (uint i = 0; i < TM; ++i) a[i] = x_tile[k * {{ bm + 1 }} + ty + i * (BM / TM)];
            [[unroll]] for (uint m = 0; m < {{ matrices }}; ++m) {
                [[unroll]] for (uint j = 0; j < TN; ++j) {
                    const float b = w_tile[m][k * {{ bn + 1 }} + tx + j * (BN / TN)];
                    [[unroll]] for (uint i = 0; i < TM; ++i) acc[m][i][j] = fma(a[i], b, acc[m][i][j]);
                }
            }
        }
{% if rolled %}
#define unroll dont_unroll
{% endif %}
    }
    [[unroll]] for (uint i = 0; i < TM; ++i) {
        const uint row = m0 + ty + i * (BM / TM);
        float top = 0.0;
        [[unroll]] for (uint j = 0; j < TN; ++j) {
            const uint n = n0 + tx + j * (BN / TN);
            const float value = {{ "activate(acc[0][i][j]) * acc[1][i][j]" if gated else "acc[0][i][j]" }};
            if (row < params.rows && n < {{ out_width }}u) {
                out_rows[row * {{ out_width }}u + n] = {{ "n < HEIGHT ? value : 0.0" if out_width != height else "value" }};
                top = n < HEIGHT ? max(top, abs(value)) : top;
            }
        }
{% if gated %}
        if (row < params.rows) atomicMax(row_max[row], floatBitsToUint(top));
{% endif %}
    }
}
