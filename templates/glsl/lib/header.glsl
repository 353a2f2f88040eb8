#version 460
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_shader_16bit_storage : require
#extension GL_EXT_shader_explicit_arithmetic_types : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#extension GL_KHR_shader_subgroup_clustered : require
#extension GL_KHR_shader_subgroup_shuffle : require
{% if form is defined and form == "gemv" %}
#extension GL_EXT_integer_dot_product : require
{% endif %}
{% if nonprivate %}
#extension GL_KHR_memory_scope_semantics : require
#pragma use_vulkan_memory_model
{% endif %}
{% if form is defined and form in ("coopmat", "direct") %}
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_EXT_bfloat16 : {{ "require" if operand == "bf16" else "disable" }}
{% endif %}

// What changes from one submission to the next, in one buffer that the host writes: the recorded commands never change.
struct Sequence {
    uint position;      // of the token that this step computes
    uint slot;          // which KV cache of the batch
    uint seed;          // of this sequence's sampling
    uint top_k;         // 0: no limit
    float temperature;  // 0: greedy
    float top_p;        // 1: no limit
    float penalty;      // of the logits of tokens that occurred; 1: none
    uint reserved;
};
struct Params {
    uint step;   // of those that are chains: in the upper half its number
    uint rows;   // live rows: tokens of this prefill chunk, or sequences of this decode batch
    uint start;  // prefill: position of the chunk's first token
    uint slot;   // prefill: which KV cache of the batch
    Sequence sequence[32];
};

{% if rolled %}
#define unroll dont_unroll  // in every [[unroll]]
{% endif %}

{{ declarations }}
{% if nonprivate %}
{% include "glsl/lib/gather.glsl" %}
{% endif %}
{% if chained %}
{% include "glsl/lib/chain.glsl" %}
{% endif %}
