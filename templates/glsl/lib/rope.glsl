{% include "glsl/lib/cluster.glsl" %}
// RMS norm over one head of {{ head_dim }}, then RoPE, by eight consecutive lanes. Lane `lane` holds quads lane, lane + 8, ... of the lower half
// of the head and the same of the upper half, which RoPE rotates against each other.
// Buffers: qkv (a row's heads side by side), rope (cos, sin pairs of a position), q_norm, k_norm.
const uint HEAD_QUADS = {{ head_dim // 4 }}u;
const uint HALF_QUADS = {{ head_dim // 8 }}u;
const uint ROPE_PARTS = {{ (head_dim // 8 + 7) // 8 }}u;
// A lane's part of a head and all that it is computed with, asked for at once.
struct RawHead {
    vec4 lower[ROPE_PARTS], upper[ROPE_PARTS];
    vec4 lower_norm[ROPE_PARTS], upper_norm[ROPE_PARTS];
    vec4 angles0[ROPE_PARTS], angles1[ROPE_PARTS];
};
RawHead load_head(uint head_at, uint position, uint lane, bool key) {
    RawHead raw;
    [[unroll]] for (uint i = 0; i < ROPE_PARTS; ++i) {
        const uint at = min(lane + 8 * i, HALF_QUADS - 1);
        raw.lower[i] = qkv[head_at + at];
        raw.upper[i] = qkv[head_at + HALF_QUADS + at];
        raw.angles0[i] = rope[position * HEAD_QUADS + 2 * at];
        raw.angles1[i] = rope[position * HEAD_QUADS + 2 * at + 1];
        if (key) {
            raw.lower_norm[i] = k_norm[at];
            raw.upper_norm[i] = k_norm[at + HALF_QUADS];
        } else {
            raw.lower_norm[i] = q_norm[at];
            raw.upper_norm[i] = q_norm[at + HALF_QUADS];
        }
    }
    return raw;
}
void norm_rope(RawHead raw, uint lane, float scale, out vec4 lower[ROPE_PARTS], out vec4 upper[ROPE_PARTS]) {
    float square = 0.0;
    [[unroll]] for (uint i = 0; i < ROPE_PARTS; ++i) {
        const float mine = dot(raw.lower[i], raw.lower[i]) + dot(raw.upper[i], raw.upper[i]);
        square += lane + 8 * i < HALF_QUADS ? mine : 0.0;
    }
    const float rms = inversesqrt(cluster_add(square, 8) / {{ "%.1f" % head_dim }} + {{ eps }}) * scale;
    [[unroll]] for (uint i = 0; i < ROPE_PARTS; ++i) {
        const vec4 x = raw.lower[i] * rms * raw.lower_norm[i];
        const vec4 y = raw.upper[i] * rms * raw.upper_norm[i];
        const vec4 c = vec4(raw.angles0[i].xz, raw.angles1[i].xz);
        const vec4 s = vec4(raw.angles0[i].yw, raw.angles1[i].yw);
        lower[i] = x * c - y * s;
        upper[i] = y * c + x * s;
    }
}
