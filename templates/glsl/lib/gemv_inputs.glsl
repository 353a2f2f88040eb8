// The activations of a gemv into shared memory: a row x, or a norm stretch. An invocation takes octets, eight
// neighbours each. `ask` asks for activations and `ask_weights` for the norms'; loads are answered in their order.
const uint PARTS = (PADDED / 8u + WORKGROUP - 1u) / WORKGROUP;
const uint QUADS = {{ "PADDED" if prologue == "none" else width ~ "u" }} / 4u;
uint octet(uint i) { return gl_LocalInvocationID.x + i * WORKGROUP; }
uint quad(uint i, uint h) { return min(2 * octet(i) + h, QUADS - 1); }  // loads clamp their index, so that they need no branch
{% macro each_quad() %}
[[unroll]] for (uint i = 0; i < PARTS; ++i) [[unroll]] for (uint h = 0; h < 2; ++h)
{%- endmacro %}
{% if prologue == "norm" %}
// The stretch in front of the product: residual += rmsnorm(branch) * post_weight;  x = rmsnorm(residual) * pre_weight.
// Every workgroup norms the whole row for itself: {{ width }} numbers cost less than another dispatch. It is the last live row: the only one
// of a decode step, and the one of a prefill chunk whose logits matter. `residual_out` is another buffer than `residual`.
// The second norm is a factor of the whole row, so products begin before it is known: it is put to their sums, in norm_scale.
vec4 y[PARTS][2], z[PARTS][2], post[PARTS][2], pre[PARTS][2];
shared float squares[2][WORKGROUP / {{ subgroup or 4 }}];  // by subgroup: of the branch, of the new residual
void put_square(uint which, float square) {
    const float part = subgroupAdd(square);
    if (subgroupElect()) squares[which][gl_SubgroupID] = part;
}
float rms_scale(uint which) {
    float square = 0.0;
    for (uint i = gl_SubgroupInvocationID; i < gl_NumSubgroups; i += gl_SubgroupSize) square += squares[which][i];
    return inversesqrt(subgroupAdd(square) / {{ "%.1f" % width }} + {{ eps }});
}
void ask_weights() {
    {{ each_quad() }} {
        post[i][h] = post_weight[quad(i, h)];
        pre[i][h] = pre_weight[quad(i, h)];
    }
}
void ask() {
    const uint base = (params.rows - 1) * QUADS;
    {{ each_quad() }} {
        y[i][h] = branch[base + quad(i, h)];
        z[i][h] = residual[base + quad(i, h)];
    }
}
void prologue() {
    float square = 0.0;
    {{ each_quad() }} {
        if (2 * octet(i) + h >= QUADS) y[i][h] = z[i][h] = vec4(0.0);
        square += dot(y[i][h], y[i][h]);
    }
    put_square(0, square);
    barrier();
    const float branch_scale = rms_scale(0);
    square = 0.0;
    {{ each_quad() }} {
        z[i][h] += y[i][h] * branch_scale * post[i][h];
        square += dot(z[i][h], z[i][h]);
    }
    put_square(1, square);
    [[unroll]] for (uint i = 0; i < PARTS; ++i) stage(octet(i), z[i][0] * pre[i][0], z[i][1] * pre[i][1]);
    barrier();
    if (gl_WorkGroupID.x == 0) {
        const uint base = (params.rows - 1) * QUADS;
        {{ each_quad() }} if (2 * octet(i) + h < QUADS) residual_out[base + quad(i, h)] = z[i][h];
    }
}
float norm_scale() { return rms_scale(1); }
{% else %}
vec4 value[PARTS][2];
void ask_weights() {}
void ask() {
    {{ each_quad() }} value[i][h] = x[quad(i, h)];
}
void prologue() {
    [[unroll]] for (uint i = 0; i < PARTS; ++i) stage(octet(i), value[i][0], value[i][1]);
    barrier();
}
float norm_scale() { return 1.0; }
{% endif %}
