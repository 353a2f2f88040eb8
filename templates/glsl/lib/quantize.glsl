{% include "glsl/lib/cluster.glsl" %}
// Activations as 16-bit integers with a scale a block of 32, in two planes of bytes: x = scale * (256 high + low).
shared uvec4 high_shared[PADDED / 16u];
shared uvec4 low_shared[PADDED / 16u];
shared vec2 scale_shared[PADDED / 32u];  // and the sum of the block's integers, as the bits of an int

uint low_bytes(uvec4 q) { return (q.x & 0xFF) | (q.y & 0xFF) << 8 | (q.z & 0xFF) << 16 | q.w << 24; }

// Eight neighbours, from element 8 `octet` on, into shared memory in the lanes layout. Four lanes side by side come with a block.
void stage(uint octet, vec4 a, vec4 b) {
    // As integers, of which NaN is the largest: it leaves in the scale. The largest of floats would be a number beside it.
    const uvec4 magnitude = max(floatBitsToUint(abs(a)), floatBitsToUint(abs(b)));
    const float top = uintBitsToFloat(cluster_max(max(max(magnitude.x, magnitude.y), max(magnitude.z, magnitude.w)), 4));
    // 127 * 256: the high byte stays an int8 when the low one rounds it up.
    const float inverse = top > 1e-30 ? 32512.0 / top : 0.0;
    // Added to 1.5 2^23 a number is rounded to an integer, the low bits of the sum: faster than a conversion.
    const uvec4 qa = floatBitsToUint(fma(a, vec4(inverse), vec4(12582912.0)));
    const uvec4 qb = floatBitsToUint(fma(b, vec4(inverse), vec4(12582912.0)));
    const uvec2 low = uvec2(low_bytes(qa), low_bytes(qb));
    const uvec2 high = uvec2(low_bytes((qa + 128) >> 8), low_bytes((qb + 128) >> 8));
    const int ones = 0x01010101;
    int sum = 256 * (dotPacked4x8EXT(int(high.x), ones) + dotPacked4x8EXT(int(high.y), ones));
    sum += dotPacked4x8EXT(int(low.x), ones) + dotPacked4x8EXT(int(low.y), ones);
    sum = cluster_add(sum, 4);
    if (octet < PADDED / 8) {
        const uint at = lanes_index(8 * octet, 16) / 4;
        high_shared[at / 4][at % 4] = high.x;
        high_shared[at / 4][at % 4 + 1] = high.y;
        low_shared[at / 4][at % 4] = low.x;
        low_shared[at / 4][at % 4 + 1] = low.y;
        if (octet % 4 == 0) scale_shared[octet / 4] = vec2(top / 32512.0, intBitsToFloat(sum));
    }
}
