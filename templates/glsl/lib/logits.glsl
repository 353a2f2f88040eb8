// A row of {{ vocab }} logits, four at a time; behind its end there are NaNs, whose keys are 0 (order.glsl).
const uint VOCAB = {{ vocab }}u;
const uint QUADS = (VOCAB + 3u) / 4u;
vec4 logits_at(uint row, uint quad) {
{% if vocab % 4 == 0 %}
    return logits[row * QUADS + quad];
{% else %}
    const uint at = row * VOCAB + quad * 4u;
    vec4 x = vec4(uintBitsToFloat(0x7FC00000u));
    [[unroll]] for (uint j = 0; j < 4; ++j) {
        if (quad * 4u + j < VOCAB) x[j] = logits[at + j];
    }
    return x;
{% endif %}
}
uvec4 keys_at(uint row, uint quad) {
    const vec4 x = logits_at(row, quad);
    return uvec4(key_of(x.x), key_of(x.y), key_of(x.z), key_of(x.w));
}

// The best of the quads that this invocation has in every pass over the row: quad = invocation, + WORKGROUP, ...
Best best_of_mine(uint row) {
    Best best = Best(0u, NONE);
    for (uint quad = gl_LocalInvocationID.x; quad < QUADS; quad += WORKGROUP) {
        const uvec4 keys = keys_at(row, quad);
        [[unroll]] for (uint j = 0; j < 4; ++j) {
            if (keys[j] > best.key) best = Best(keys[j], quad * 4u + j);
        }
    }
    return best;
}
