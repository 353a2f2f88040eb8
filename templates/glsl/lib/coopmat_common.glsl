{#
  What the forms with cooperative matrices share: tiles of {{ bm }} x {{ bn }} a workgroup, {{ wm }} x {{ wn }} a subgroup.
#}
const uint WM = {{ wm }}u;
const uint WN = {{ wn }}u;
#define FACTOR(TYPE, USE) coopmat<TYPE, gl_ScopeSubgroup, 16, 16, USE>
#define SUMS coopmat<float, gl_ScopeSubgroup, 16, 16, gl_MatrixUseAccumulator>
{% if gated or ranged %}
// The power of two that takes a value with these bits, and what is smaller, to halves: to 2^14..2^15; and the way back.
float to_range(uint bits) { return uintBitsToFloat(uint(clamp(268 - int(bits >> 23), 1, 254)) << 23); }
float from_range(uint bits) { return uintBitsToFloat((254u - uint(clamp(268 - int(bits >> 23), 1, 254))) << 23); }
{% endif %}
// A value that the compiler takes for unknown and one of each lane: what comes out of a shuffle it neither computes anew in each step, between two
// barriers, nor folds into an instruction, nor keeps where it has to be copied from for every use.
uint held(uint value) { return subgroupShuffle(value, gl_SubgroupInvocationID); }
{% if pack > 1 %}
// The weights for the columns from 8 * index on, as integers. The bits 0x6400 | n are the half 1024 + n; with 0x6400 in a register, masking and
// this are one operation on NVIDIA, whose LOP3 takes one constant.
uint thousand;
f16vec2 decode(f16vec2 words, uint index) {
    const uint pair = packFloat2x16(words);
    const uint bits = index % 2 == 0 ? pair : pair >> 8;
{% if pack == 4 %}
    if (index < 2) return unpackFloat2x16((bits & 0x000F000Fu) | thousand) - float16_t(1032.0);
    return unpackFloat2x16((bits & 0x00F000F0u) | thousand) * float16_t(0.0625) - float16_t(72.0);
{% else %}
    return unpackFloat2x16(((bits & 0x00FF00FFu) ^ 0x00800080u) | thousand) - float16_t(1152.0);
{% endif %}
}
{% endif %}
{% if gated %}
{% include "glsl/lib/activate.glsl" %}
{% endif %}
