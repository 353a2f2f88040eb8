// The stretch between two matrices, for one row by the whole workgroup (facts: Gemma 3's four norms a layer):
//   residual += rmsnorm(branch) * post_weight;   h = rmsnorm(residual) * pre_weight
// `branch` is the output of the layer part before (all zero before the first layer: then the residual stays as it is).
const uint NORM_PARTS = ({{ width }}u / 4u + WORKGROUP - 1u) / WORKGROUP;
{% if chained %}
// A step has few rows, so that no other hides what one waits for: all of it is asked for at once, weights before the wait.
vec4 old[NORM_PARTS], post[NORM_PARTS], pre[NORM_PARTS];
void ask_norm(uint row) {
    const uint quads = {{ width }}u / 4u;
    [[unroll]] for (uint i = 0; i < NORM_PARTS; ++i) {
        const uint inside = min(gl_LocalInvocationID.x + i * WORKGROUP, quads - 1u);
        post[i] = post_weight[inside];
        pre[i] = pre_weight[inside];
    }
    await();
    [[unroll]] for (uint i = 0; i < NORM_PARTS; ++i)
        old[i] = residual[row * quads + min(gl_LocalInvocationID.x + i * WORKGROUP, quads - 1u)];
}
{% endif %}
void norm_row(uint row, bool write_residual, out vec4 h[NORM_PARTS]) {
    const uint quads = {{ width }}u / 4u;
    vec4 x[NORM_PARTS];
    float square = 0.0;
    [[unroll]] for (uint i = 0; i < NORM_PARTS; ++i) {
        // Loads clamp their index and mask the value: without a branch the compiler puts them side by side.
        const uint at = gl_LocalInvocationID.x + i * WORKGROUP;
        const vec4 value = branch[row * quads + min(at, quads - 1u)];
        x[i] = at < quads ? value : vec4(0.0);
        square += dot(x[i], x[i]);
    }
    const float branch_scale = inversesqrt(workgroup_sum(square) / {{ "%.1f" % width }} + {{ eps }}){{ " * in_time" if chained }};
    square = 0.0;
    [[unroll]] for (uint i = 0; i < NORM_PARTS; ++i) {
        const uint at = gl_LocalInvocationID.x + i * WORKGROUP;
        const uint inside = min(at, quads - 1u);
{% if chained %}
        const vec4 value = old[i] + x[i] * branch_scale * post[i];
{% else %}
        const vec4 value = residual[row * quads + inside] + x[i] * branch_scale * post_weight[inside];
{% endif %}
        x[i] = at < quads ? value : vec4(0.0);
        if (write_residual && at < quads) residual_out[row * quads + at] = value;
        square += dot(x[i], x[i]);
    }
    const float scale = inversesqrt(workgroup_sum(square) / {{ "%.1f" % width }} + {{ eps }});
    [[unroll]] for (uint i = 0; i < NORM_PARTS; ++i) {
        const uint at = gl_LocalInvocationID.x + i * WORKGROUP;
        h[i] = x[i] * scale * {{ "pre[i]" if chained else "pre_weight[min(at, quads - 1u)]" }};
    }
}
