// Four of 32 neighbours' values -> int8 x 4 in a word, by eight consecutive lanes together (uniform control flow).
// Returns the word; `scale` and `sum` (of the 32 integers) are the block's, the same in the eight lanes.
uint quantize_q8(vec4 value, out float scale, out float sum) {
    const vec4 magnitude = abs(value);
    const float top = subgroupClusteredMax(max(max(magnitude.x, magnitude.y), max(magnitude.z, magnitude.w)), 8);
    scale = top / 127.0;
    const vec4 scaled = top > 0.0 ? value * (127.0 / top) : vec4(0.0);
    const ivec4 q = ivec4(roundEven(scaled));
    sum = float(subgroupClusteredAdd(q.x + q.y + q.z + q.w, 8));
    return uint(q.x & 0xFF) | uint(q.y & 0xFF) << 8 | uint(q.z & 0xFF) << 16 | uint(q.w & 0xFF) << 24;
}
