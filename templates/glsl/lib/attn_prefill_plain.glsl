// Eight lanes share ROWS queries. Each takes every eighth key for the scores, and every eighth quad of the head for the result.
const uint ROWS = {{ lane_rows }}u;
const uint LANE_KEYS = KEYS / 8;
const uint LANE_QUADS = (HEAD_QUADS + 7) / 8;
const uint STRIDE = HEAD_UNITS + 1;  // of a row in shared memory; the odd unit spreads the banks
shared uvec4 q_tile[QUERIES * STRIDE];
shared uvec4 k_tile[KEYS * STRIDE];
shared uvec2 v_tile[KEYS * 2 * STRIDE];
shared vec4 weight_tile[QUERIES * (KEYS / 4 + 1)];

vec4 unpack(uint a, uint b) {
    return vec4(unpackHalf2x16(a), unpackHalf2x16(b));
}
float dot8(uvec4 a, uvec4 b) {
    return dot(unpack(a.x, a.y), unpack(b.x, b.y)) + dot(unpack(a.z, a.w), unpack(b.z, b.w));
}

void load_keys(Tile tile, uint block) {
    for (uint i = gl_LocalInvocationID.x; i < KEYS * HEAD_UNITS; i += WORKGROUP) {
        const uint key = i / HEAD_UNITS;
        const uint unit = i % HEAD_UNITS;
        const uint position = min(block + key, tile.last);  // beyond it nothing need be there
        uvec4 v;
        if (position < params.start) {
            const uint at = cache_at(tile.head, position) + unit;
            k_tile[key * STRIDE + unit] = k_cache[at];
            v = v_cache[at];
        } else {
            const uint at = chunk_at(tile.head, position) + unit;
            k_tile[key * STRIDE + unit] = k_chunk[at];
            v = v_chunk[at];
        }
        v_tile[key * 2 * STRIDE + 2 * unit] = v.xy;
        v_tile[key * 2 * STRIDE + 2 * unit + 1] = v.zw;
    }
}

void main() {
    const Tile tile = make_tile();
    if (tile.row >= params.rows) return;
    for (uint i = gl_LocalInvocationID.x; i < QUERIES * HEAD_UNITS; i += WORKGROUP) {
        const uint row = min(tile.row + i / HEAD_UNITS, params.rows - 1);
        q_tile[i / HEAD_UNITS * STRIDE + i % HEAD_UNITS] = q_chunk[(gl_WorkGroupID.y * CHUNK + row) * HEAD_UNITS + i % HEAD_UNITS];
    }
    const uint lane = gl_LocalInvocationID.x % 8;
    const uint mine = gl_LocalInvocationID.x / 8 * ROWS;  // first query of these lanes in the tile
    float top[ROWS], total[ROWS];
    vec4 sum[ROWS][LANE_QUADS];
    [[unroll]] for (uint r = 0; r < ROWS; ++r) {
        top[r] = NONE;
        total[r] = 0.0;
        [[unroll]] for (uint n = 0; n < LANE_QUADS; ++n) sum[r][n] = vec4(0.0);
    }
    for (uint block = tile.first_key; block <= tile.last; block += KEYS) {
        barrier();
        load_keys(tile, block);
        barrier();
        float score[ROWS][LANE_KEYS];
        [[unroll]] for (uint r = 0; r < ROWS; ++r) [[unroll]] for (uint j = 0; j < LANE_KEYS; ++j) score[r][j] = 0.0;
        for (uint unit = 0; unit < HEAD_UNITS; ++unit) {
            uvec4 k[LANE_KEYS];
            [[unroll]] for (uint j = 0; j < LANE_KEYS; ++j) k[j] = k_tile[(lane + 8 * j) * STRIDE + unit];
            [[unroll]] for (uint r = 0; r < ROWS; ++r) {
                const uvec4 q = q_tile[(mine + r) * STRIDE + unit];
                [[unroll]] for (uint j = 0; j < LANE_KEYS; ++j) score[r][j] += dot8(q, k[j]);
            }
        }
        if (!whole_block(tile, block)) {
            [[unroll]] for (uint r = 0; r < ROWS; ++r)
                [[unroll]] for (uint j = 0; j < LANE_KEYS; ++j)
                    score[r][j] = sees(tile.first + mine + r, block + lane + 8 * j) ? score[r][j] : NONE;
        }
        [[unroll]] for (uint r = 0; r < ROWS; ++r) {
            float next = score[r][0];
            [[unroll]] for (uint j = 1; j < LANE_KEYS; ++j) next = max(next, score[r][j]);
            next = max(top[r], subgroupClusteredMax(next, 8));
            const float factor = exp2(top[r] - next);
            top[r] = next;
            total[r] *= factor;
            [[unroll]] for (uint n = 0; n < LANE_QUADS; ++n) sum[r][n] *= factor;
            [[unroll]] for (uint j = 0; j < LANE_KEYS; ++j) {
                const float weight = score[r][j] == NONE ? 0.0 : exp2(score[r][j] - next);
                total[r] += weight;
                weight_tile[(mine + r) * (KEYS / 4 + 1) + lane / 4 + 2 * j][lane % 4] = weight;
            }
        }
        subgroupBarrier();  // the eight lanes read each other's weights, and nobody else's
        for (uint j = 0; j < KEYS / 4; ++j) {
            vec4 weight[ROWS];
            [[unroll]] for (uint r = 0; r < ROWS; ++r) weight[r] = weight_tile[(mine + r) * (KEYS / 4 + 1) + j];
            [[unroll]] for (uint c = 0; c < 4; ++c) {
                [[unroll]] for (uint n = 0; n < LANE_QUADS; ++n) {
                    const uvec2 packed = v_tile[(4 * j + c) * 2 * STRIDE + min(lane + 8 * n, HEAD_QUADS - 1)];
                    const vec4 v = unpack(packed.x, packed.y);
                    [[unroll]] for (uint r = 0; r < ROWS; ++r) sum[r][n] += weight[r][c] * v;
                }
            }
        }
    }
    [[unroll]] for (uint r = 0; r < ROWS; ++r) {
        const float scale = 1.0 / subgroupClusteredAdd(total[r], 8);
        const uint row = tile.row + mine + r;
        if (row >= params.rows) continue;
        [[unroll]] for (uint n = 0; n < LANE_QUADS; ++n)
            if (lane + 8 * n < HEAD_QUADS) out_halves[row * OUT_QUADS + gl_WorkGroupID.y * HEAD_QUADS + lane + 8 * n] = f16vec4(sum[r][n] * scale);
        if (gl_WorkGroupID.y == HEADS - 1 && lane < OUT_QUADS - HEADS * HEAD_QUADS) out_halves[row * OUT_QUADS + HEADS * HEAD_QUADS + lane] = f16vec4(0.0);
    }
}
