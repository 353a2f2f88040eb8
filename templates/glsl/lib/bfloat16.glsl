// Two halves of a word as two bfloat16, rounded to nearest, ties to even. Halves reach no bfloat16's limit; a NaN stays one.
uint bfloat_pair(uint halves) {
    const uvec2 bits = floatBitsToUint(unpackHalf2x16(halves));
    const uvec2 rounded = bits + 0x7FFFu + ((bits >> 16) & 1u);
    return (rounded.x >> 16) | (rounded.y & 0xFFFF0000u);
}
uvec4 bfloats(uvec4 halves) { return uvec4(bfloat_pair(halves.x), bfloat_pair(halves.y), bfloat_pair(halves.z), bfloat_pair(halves.w)); }

// And back: the nearest halves; beyond their range the largest.
uint half_pair(uint bfloat16s) {
    const vec2 values = uintBitsToFloat(uvec2(bfloat16s << 16, bfloat16s & 0xFFFF0000u));
    return packHalf2x16(clamp(values, -65504.0, 65504.0));
}
uvec4 halves(uvec4 bfloat16s) { return uvec4(half_pair(bfloat16s.x), half_pair(bfloat16s.y), half_pair(bfloat16s.z), half_pair(bfloat16s.w)); }
