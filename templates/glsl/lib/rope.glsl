// RMS norm over one head of {{ head_dim }}, then RoPE, by eight consecutive lanes. Lane `lane` holds quads lane, lane + 8, ... of the lower half
// of the head and the same of the upper half, which RoPE rotates against each other.
// Buffers: qkv (a row's heads side by side), rope (cos, sin pairs of a position), q_norm, k_norm.
const uint HEAD_QUADS = {{ head_dim // 4 }}u;
const uint HALF_QUADS = {{ head_dim // 8 }}u;
const uint ROPE_PARTS = {{ (head_dim // 8 + 7) // 8 }}u;
void norm_rope(uint head_at, uint position, uint lane, bool key, float scale, out vec4 lower[ROPE_PARTS], out vec4 upper[ROPE_PARTS]) {
    float square = 0.0;
    [[unroll]] for (uint i = 0; i < ROPE_PARTS; ++i) {
        const uint at = lane + 8 * i;
        lower[i] = vec4(0.0);
        upper[i] = vec4(0.0);
        if (at < HALF_QUADS) {
            lower[i] = qkv[head_at + at];
            upper[i] = qkv[head_at + HALF_QUADS + at];
        }
        square += dot(lower[i], lower[i]) + dot(upper[i], upper[i]);
    }
    const float rms = inversesqrt(subgroupClusteredAdd(square, 8) / {{ "%.1f" % head_dim }} + {{ eps }}) * scale;
    [[unroll]] for (uint i = 0; i < ROPE_PARTS; ++i) {
        const uint at = min(lane + 8 * i, HALF_QUADS - 1);
        const vec4 x = lower[i] * rms * (key ? k_norm[at] : q_norm[at]);
        const vec4 y = upper[i] * rms * (key ? k_norm[at + HALF_QUADS] : q_norm[at + HALF_QUADS]);
        const vec4 angles0 = rope[position * HEAD_QUADS + 2 * at];
        const vec4 angles1 = rope[position * HEAD_QUADS + 2 * at + 1];
        const vec4 c = vec4(angles0.xz, angles1.xz);
        const vec4 s = vec4(angles0.yw, angles1.yw);
        lower[i] = x * c - y * s;
        upper[i] = y * c + x * s;
    }
}
