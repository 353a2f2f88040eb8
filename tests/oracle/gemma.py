"""A whole Gemma 3 in fp64, as `transformers` defines it (Gemma3ForCausalLM)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kernelrt.model import ModelSpec
from tests.oracle.attention import attention, visible_keys
from tests.oracle.pointwise import activate, rms_norm
from tests.oracle.qk_rope import rotate
from tests.oracle.rope_table import rope_table

F64 = NDArray[np.float64]

# Field of Layer -> the module of a checkpoint's layer that it comes from; the norms' weights are w, not 1 + w, there.
_MATRICES = {"o_proj": "self_attn.o_proj", "gate": "mlp.gate_proj", "up": "mlp.up_proj", "down": "mlp.down_proj"}
_NORMS = {
    "input_norm": "input_layernorm",
    "post_attention_norm": "post_attention_layernorm",
    "pre_ffn_norm": "pre_feedforward_layernorm",
    "post_ffn_norm": "post_feedforward_layernorm",
    "q_norm": "self_attn.q_norm",
    "k_norm": "self_attn.k_norm",
}


@dataclass(frozen=True)
class Layer:
    """The weights of one layer, fp64, as the kernels read them: matrices [out, in], norms (1 + w) already."""

    qkv: F64
    o_proj: F64
    gate: F64
    up: F64
    down: F64
    input_norm: F64
    post_attention_norm: F64
    pre_ffn_norm: F64
    post_ffn_norm: F64
    q_norm: F64
    k_norm: F64


def layer(weights: Mapping[str, F64], i: int) -> Layer:
    """Layer i of a checkpoint, whose tensors have Hugging Face's names."""
    at = f"model.layers.{i}."
    qkv = np.concatenate([weights[f"{at}self_attn.{name}_proj.weight"] for name in "qkv"])
    matrices = {field: weights[f"{at}{module}.weight"] for field, module in _MATRICES.items()}
    norms = {field: 1 + weights[f"{at}{module}.weight"] for field, module in _NORMS.items()}
    return Layer(qkv=qkv, **matrices, **norms)


def embed_scale(hidden: int) -> float:
    """What embeddings are multiplied by: sqrt(hidden) in float32, as transformers has it in float32 and float64 (it
    rounds the number to the weights' dtype, so that a bfloat16 run would have one of 8 bits).
    """
    return float(np.float32(hidden**0.5))


def logits(model: ModelSpec, weights: Mapping[str, F64], tokens: Sequence[int]) -> F64:
    """Logits [tokens, vocab] of a checkpoint in fp64 (Hugging Face's names)."""
    return rms_norm(hidden_states(model, weights, tokens), 1 + weights["model.norm.weight"], model.norm_eps) @ (
        weights["model.embed_tokens.weight"].T
    )


def hidden_states(model: ModelSpec, weights: Mapping[str, F64], tokens: Sequence[int]) -> F64:
    """The residual stream [tokens, hidden] of a checkpoint after its last layer."""
    layers = [layer(weights, i) for i in range(model.layers)]
    return residual(model, weights["model.embed_tokens.weight"], embed_scale(model.hidden), layers, tokens)


def forward(
    model: ModelSpec, embedding: F64, scale: float, layers: Sequence[Layer], final_norm: F64, tokens: Sequence[int]
) -> F64:
    """Logits [tokens, vocab] of a whole Gemma 3, every token at once; `scale` is what embeddings are multiplied by."""
    return rms_norm(residual(model, embedding, scale, layers, tokens), final_norm, model.norm_eps) @ embedding.T


def residual(model: ModelSpec, embedding: F64, scale: float, layers: Sequence[Layer], tokens: Sequence[int]) -> F64:
    """The residual stream [tokens, hidden] after the last layer."""
    positions = np.arange(len(tokens))
    x = embedding[np.array(tokens)] * scale
    for kind, w in zip(model.layer_kinds, layers, strict=True):
        h = rms_norm(x, w.input_norm, model.norm_eps)
        a = _attend(model, kind, w, h, positions)
        x = x + rms_norm(a, w.post_attention_norm, model.norm_eps)
        h = rms_norm(x, w.pre_ffn_norm, model.norm_eps)
        f = (activate(h @ w.gate.T, model.activation) * (h @ w.up.T)) @ w.down.T
        x = x + rms_norm(f, w.post_ffn_norm, model.norm_eps)
    return x


def _attend(model: ModelSpec, kind: str, w: Layer, h: F64, positions: NDArray[np.integer]) -> F64:
    q, k, v = np.split(
        (h @ w.qkv.T).reshape(len(h), -1, model.head_dim), [model.heads, model.heads + model.kv_heads], 1
    )
    local = kind == "local"
    theta = model.rope_theta_local if local else model.rope_theta_global
    table = rope_table(positions, model.head_dim, theta, 1.0 if local else model.rope_scale_global)
    q = rotate(rms_norm(q, w.q_norm, model.norm_eps), table)
    k = rotate(rms_norm(k, w.k_norm, model.norm_eps), table)
    seen = visible_keys(positions, positions, model.window if local else None)
    return attention(q, k, v, seen, model.query_scale_dim**-0.5).reshape(len(h), -1) @ w.o_proj.T
