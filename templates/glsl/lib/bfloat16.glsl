// The nearest bfloat16 of two floats in a word, ties to even. A NaN stays one: rounding would carry some into another number.
uint bfloat_pair(vec2 values) {
    const uvec2 bits = floatBitsToUint(values);
    const uvec2 rounded = bits + 0x7FFFu + ((bits >> 16) & 1u);
    const uvec2 found = mix(rounded, uvec2(0x7FC00000u), greaterThan(bits & 0x7FFFFFFFu, uvec2(0x7F800000u)));
    return (found.x >> 16) | (found.y & 0xFFFF0000u);
}
uvec2 bfloats(vec4 values) { return uvec2(bfloat_pair(values.xy), bfloat_pair(values.zw)); }
// Of eight halves.
uvec4 bfloats(uvec4 halves) {
    return uvec4(bfloat_pair(unpackHalf2x16(halves.x)), bfloat_pair(unpackHalf2x16(halves.y)),
                 bfloat_pair(unpackHalf2x16(halves.z)), bfloat_pair(unpackHalf2x16(halves.w)));
}

// And back.
vec4 floats(uvec2 bfloat16s) {
    const uvec4 bits = uvec4(bfloat16s.x << 16, bfloat16s.x & 0xFFFF0000u, bfloat16s.y << 16, bfloat16s.y & 0xFFFF0000u);
    return uintBitsToFloat(bits);
}
