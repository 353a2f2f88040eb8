// Part j (of four elements) of a unit of weights: 16 bytes, what one lane loads. Not yet scaled.
{% if quant == "q4_0" %}
// Low nibbles are elements 0..15 of the block, high nibbles 16..31 (GGUF); a weight is (nibble - 8) * scale.
uint unpack_int8(uvec4 unit, uint j) { return (unit[j % 4u] >> (4u * (j / 4u))) & 0x0F0F0F0Fu; }
vec4 unpack_part(uvec4 unit, uint j) { return vec4(unpack8(unpack_int8(unit, j))); }
const float WEIGHT_ZERO = 8.0;
{% elif quant in ("q8_0", "q6_k") %}
uint unpack_int8(uvec4 unit, uint j) { return unit[j]; }
vec4 unpack_part(uvec4 unit, uint j) { return vec4(unpack8(int(unit[j]))); }
{% else %}
vec4 unpack_part(uvec4 unit, uint j) { return vec4(unpackHalf2x16(unit[2 * j]), unpackHalf2x16(unit[2 * j + 1])); }
{% endif %}
