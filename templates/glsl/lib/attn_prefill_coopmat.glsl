// Each subgroup has 16 queries (a row group) and, where {{ halves }} share a row group, its part of the head: of the products that the scores sum up,
// and of the result. Scores pass through shared memory for the softmax, which adds the parts: which lane holds which element of a
// matrix is the device's affair.
{% set weight_tile = "k_tile" if halves > 1 else "weight_tile" %}
const uint HALVES = {{ halves }}u;
const uint PART_TILES = {{ head_dim // 16 // halves }}u;
const uint KEY_TILES = KEYS / 16;
const uint K_STRIDE = HEAD_QUADS + 2;  // f16vec4; eight halves of padding keep 16-byte alignment and spread the banks
const uint V_STRIDE = KEYS / 2 + 4;    // f16vec2
const uint S_STRIDE = KEYS / 4 + 1;    // vec4
const uint W_STRIDE = KEYS / 4 + 2;    // f16vec4
shared f16vec4 k_tile[KEYS * K_STRIDE];
shared f16vec2 v_tile[{{ head_dim }} * V_STRIDE];  // transposed, so that a lane's column of a matrix lies together
shared vec4 score_tile[{{ row_groups * halves }} * 16 * S_STRIDE];
{% if halves == 1 %}
shared f16vec4 weight_tile[{{ row_groups }} * 16 * W_STRIDE];
{% endif %}
{# else the weights take the keys' place: a barrier has made those free #}
shared float factor_tile[{{ row_groups * halves }} * 16];
#define HALF_MATRIX(USE) coopmat<float16_t, gl_ScopeSubgroup, 16, 16, USE>
#define SUM_MATRIX coopmat<float, gl_ScopeSubgroup, 16, 16, gl_MatrixUseAccumulator>

f16vec4 halves(uint a, uint b) {
    return f16vec4(unpackFloat2x16(a), unpackFloat2x16(b));
}
{% if ahead %}
// The next block is on its way from memory, in registers, while this one is computed.
{% endif %}
// Keys beyond the last query need not be there: the last one stands in for them, with weight 0.
const uint THREADS = {{ row_groups * halves * subgroup }}u;
const uint K_PARTS = {{ (keys * (head_dim // 8) + row_groups * halves * subgroup - 1) // (row_groups * halves * subgroup) }}u;
const uint V_PARTS = {{ (keys // 2 * (head_dim // 8) + row_groups * halves * subgroup - 1) // (row_groups * halves * subgroup) }}u;
uvec4 next_k[K_PARTS];
uvec4 next_v[V_PARTS][2];
uint k_index(uint i) {
    return i * THREADS + gl_LocalInvocationID.x;
}
// Two keys a lane make whole words of the transposed tile; V_LANES lanes side by side read {{ [head_dim // 8, 4] | min * 16 }} bytes of a key.
const uint V_LANES = {{ [head_dim // 8, 4] | min }}u;
uint v_pair(uint i) {
    return k_index(i) / V_LANES % (KEYS / 2);
}
uint v_unit(uint i) {
    return k_index(i) / (V_LANES * KEYS / 2) * V_LANES + k_index(i) % V_LANES;
}
uvec4 value_at(Tile tile, uint position, uint unit) {
    if (position < params.start) return v_cache[cache_at(tile.head, position) + unit];
    return v_chunk[chunk_at(tile.head, position) + unit];
}
void fetch(Tile tile, uint block) {
    [[unroll]] for (uint i = 0; i < K_PARTS; ++i) {
        const uint position = min(block + min(k_index(i) / HEAD_UNITS, KEYS - 1), tile.last);
        const uint unit = k_index(i) % HEAD_UNITS;
        if (position < params.start) next_k[i] = k_cache[cache_at(tile.head, position) + unit];
        else next_k[i] = k_chunk[chunk_at(tile.head, position) + unit];
    }
    [[unroll]] for (uint i = 0; i < V_PARTS; ++i) {
        const uint unit = min(v_unit(i), HEAD_UNITS - 1);
        next_v[i][0] = value_at(tile, min(block + 2 * v_pair(i), tile.last), unit);
        next_v[i][1] = value_at(tile, min(block + 2 * v_pair(i) + 1, tile.last), unit);
    }
}
void put() {
    [[unroll]] for (uint i = 0; i < K_PARTS; ++i) {
        if (k_index(i) < KEYS * HEAD_UNITS) {
            const uint to = k_index(i) / HEAD_UNITS * K_STRIDE + 2 * (k_index(i) % HEAD_UNITS);
            k_tile[to] = halves(next_k[i].x, next_k[i].y);
            k_tile[to + 1] = halves(next_k[i].z, next_k[i].w);
        }
    }
    [[unroll]] for (uint i = 0; i < V_PARTS; ++i) {
        if (v_unit(i) < HEAD_UNITS) {
            [[unroll]] for (uint c = 0; c < 4; ++c) {
                const f16vec2 a = unpackFloat2x16(next_v[i][0][c]);
                const f16vec2 b = unpackFloat2x16(next_v[i][1][c]);
                const uint to = (8 * v_unit(i) + 2 * c) * V_STRIDE + v_pair(i);
                v_tile[to] = f16vec2(a.x, b.x);
                v_tile[to + V_STRIDE] = f16vec2(a.y, b.y);
            }
        }
    }
}

void main() {
    const Tile tile = make_tile();
    if (tile.row >= params.rows) return;
    const uint group = gl_SubgroupID / HALVES * 16;  // first query of this row group in the tile
    const uint part = gl_SubgroupID % HALVES;
    const uint row = gl_SubgroupInvocationID / 2;  // two lanes do a row's softmax
    const uint side = gl_SubgroupInvocationID % 2;
    const uint my_scores = gl_SubgroupID * 16 * S_STRIDE;
    const uint my_weights = gl_SubgroupID * 16 * W_STRIDE;
    const uint my_factors = gl_SubgroupID * 16;
    HALF_MATRIX(gl_MatrixUseA) q[PART_TILES];
    SUM_MATRIX sum[PART_TILES];
    const uint q_at = (gl_WorkGroupID.y * CHUNK + tile.row + group) * HEAD_QUADS + part * PART_TILES * 4;
    [[unroll]] for (uint t = 0; t < PART_TILES; ++t) {
        coopMatLoad(q[t], q_chunk, q_at + 4 * t, HEAD_QUADS, gl_CooperativeMatrixLayoutRowMajor);
        sum[t] = SUM_MATRIX(0.0);
    }
    float top = NONE;
    float total = 0.0;  // of this lane's keys

{% if ahead %}
    fetch(tile, tile.first_key);
{% endif %}
    for (uint block = tile.first_key; block <= tile.last; block += KEYS) {
        barrier();
{% if not ahead %}
        fetch(tile, block);
{% endif %}
        put();
        barrier();
{% if ahead %}
        fetch(tile, block + KEYS);
{% endif %}
        [[unroll]] for (uint j = 0; j < KEY_TILES; ++j) {
            SUM_MATRIX score = SUM_MATRIX(0.0);
            [[unroll]] for (uint t = 0; t < PART_TILES; ++t) {
                HALF_MATRIX(gl_MatrixUseB) k;
                coopMatLoad(k, k_tile, j * 16 * K_STRIDE + 4 * (part * PART_TILES + t), K_STRIDE, gl_CooperativeMatrixLayoutColumnMajor);
                score = coopMatMulAdd(q[t], k, score);
            }
            coopMatStore(score, score_tile, my_scores + 4 * j, S_STRIDE, gl_CooperativeMatrixLayoutRowMajor);
        }
        {{ "barrier" if halves > 1 else "subgroupBarrier" }}();
        vec4 score[KEYS / 8];
        [[unroll]] for (uint j = 0; j < KEYS / 8; ++j) {
            score[j] = vec4(0.0);
            [[unroll]] for (uint h = 0; h < HALVES; ++h)
                score[j] += score_tile[((group * HALVES + 16 * h) + row) * S_STRIDE + side * (KEYS / 8) + j];
        }
        if (!whole_block(tile, block)) {
            [[unroll]] for (uint j = 0; j < KEYS / 8; ++j)
                [[unroll]] for (uint c = 0; c < 4; ++c)
                    score[j][c] = sees(tile.first + group + row, block + side * (KEYS / 2) + 4 * j + c) ? score[j][c] : NONE;
        }
        float next = NONE;
        [[unroll]] for (uint j = 0; j < KEYS / 8; ++j) next = max(next, max(max(score[j].x, score[j].y), max(score[j].z, score[j].w)));
        next = max(top, subgroupClusteredMax(next, 2));
        const float factor = exp2(top - next);
        top = next;
        total *= factor;
        [[unroll]] for (uint j = 0; j < KEYS / 8; ++j) {
            const vec4 weight = mix(exp2(score[j] - next), vec4(0.0), equal(score[j], vec4(NONE)));
            total += dot(weight, vec4(1.0));
            {{ weight_tile }}[my_weights + row * W_STRIDE + side * (KEYS / 8) + j] = f16vec4(weight);
        }
        if (side == 0) factor_tile[my_factors + row] = factor;
        subgroupBarrier();
        // Most blocks after the first few raise no maximum.
        if (subgroupMin(tile.row + group + row < params.rows ? factor : 1.0) < 1.0) {
            SUM_MATRIX factors;  // a column of stride 0: each row's factor in the whole row
            coopMatLoad(factors, factor_tile, my_factors, 0, gl_CooperativeMatrixLayoutColumnMajor);
            [[unroll]] for (uint t = 0; t < PART_TILES; ++t) sum[t] = sum[t] * factors;
        }
        HALF_MATRIX(gl_MatrixUseA) weights[KEY_TILES];
        [[unroll]] for (uint j = 0; j < KEY_TILES; ++j)
            coopMatLoad(weights[j], {{ weight_tile }}, my_weights + 4 * j, W_STRIDE, gl_CooperativeMatrixLayoutRowMajor);
        [[unroll]] for (uint t = 0; t < PART_TILES; ++t) {
            [[unroll]] for (uint j = 0; j < KEY_TILES; ++j) {
                HALF_MATRIX(gl_MatrixUseB) v;
                coopMatLoad(v, v_tile, (part * PART_TILES + t) * 16 * V_STRIDE + 8 * j, V_STRIDE, gl_CooperativeMatrixLayoutColumnMajor);
                sum[t] = coopMatMulAdd(weights[j], v, sum[t]);
            }
        }
    }

    const float whole = subgroupClusteredAdd(total, 2);
    const uint out_row = tile.row + group + row;
    const uint out_at = out_row * OUT_QUADS + gl_WorkGroupID.y * HEAD_QUADS + part * PART_TILES * 4 + side * 2;
    barrier();  // the other part is done with the scores
    [[unroll]] for (uint t = 0; t < PART_TILES; ++t) {
        coopMatStore(sum[t], score_tile, my_scores, S_STRIDE, gl_CooperativeMatrixLayoutRowMajor);
        subgroupBarrier();
        if (out_row < params.rows) {
            out_halves[out_at + 4 * t] = f16vec4(score_tile[my_scores + row * S_STRIDE + side * 2] / whole);
            out_halves[out_at + 4 * t + 1] = f16vec4(score_tile[my_scores + row * S_STRIDE + side * 2 + 1] / whole);
        }
        subgroupBarrier();
    }
{% if padded != heads * head_dim %}
    if (gl_WorkGroupID.y == HEADS - 1 && part == 0 && side == 0 && out_row < params.rows)
        for (uint i = HEADS * HEAD_QUADS; i < OUT_QUADS; ++i) out_halves[out_row * OUT_QUADS + i] = f16vec4(0.0);
{% endif %}
}
