"""Compares the fp64 oracle of a whole Gemma 3 with `transformers`: `python -m tests.oracle.against_transformers`.

Needs torch and transformers, which nothing else here does (`pip install '.[oracle]'`). Exit code 1 where they differ by
more than RoPE's angles do, which transformers computes in fp32.
"""

import sys
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch  # pyright: ignore[reportMissingImports]  # of the extra `oracle` alone
from numpy.typing import NDArray
from transformers import Gemma3ForCausalLM, Gemma3TextConfig  # pyright: ignore[reportMissingImports]  # likewise

from kernelrt.model import ModelSpec
from tests.oracle.gemma import Layer, forward

TOKENS = 40  # past both windows
BOUND = 2e-6

# Field of Layer -> the module of a transformers layer that it comes from; the norms' weights are w, not 1 + w, there.
MATRICES = {"o_proj": "self_attn.o_proj", "gate": "mlp.gate_proj", "up": "mlp.up_proj", "down": "mlp.down_proj"}
NORMS = {
    "input_norm": "input_layernorm",
    "post_attention_norm": "post_attention_layernorm",
    "pre_ffn_norm": "pre_feedforward_layernorm",
    "post_ffn_norm": "post_feedforward_layernorm",
    "q_norm": "self_attn.q_norm",
    "k_norm": "self_attn.k_norm",
}


def config(model: ModelSpec) -> Gemma3TextConfig:
    """The same model as transformers 5 describes it."""
    kinds = {"local": "sliding_attention", "global": "full_attention"}
    return Gemma3TextConfig(
        vocab_size=model.vocab,
        hidden_size=model.hidden,
        intermediate_size=model.ffn,
        num_hidden_layers=model.layers,
        num_attention_heads=model.heads,
        num_key_value_heads=model.kv_heads,
        head_dim=model.head_dim,
        query_pre_attn_scalar=int(model.query_scale_dim),
        sliding_window=model.window,
        rms_norm_eps=model.norm_eps,
        max_position_embeddings=model.max_positions,
        hidden_activation="gelu_pytorch_tanh",
        layer_types=[kinds[kind] for kind in model.layer_kinds],
        rope_parameters={
            "sliding_attention": {"rope_type": "default", "rope_theta": model.rope_theta_local},
            "full_attention": {
                "rope_type": "linear",
                "factor": model.rope_scale_global,
                "rope_theta": model.rope_theta_global,
            },
        },
        attn_implementation="eager",
    )


def layer(weights: Mapping[str, NDArray[np.float64]], i: int) -> Layer:
    """Layer i of a state dict."""
    at = f"model.layers.{i}."
    qkv = np.concatenate([weights[f"{at}self_attn.{name}_proj.weight"] for name in "qkv"])
    matrices = {field: weights[f"{at}{module}.weight"] for field, module in MATRICES.items()}
    norms = {field: 1 + weights[f"{at}{module}.weight"] for field, module in NORMS.items()}
    return Layer(qkv=qkv, **matrices, **norms)


def distance(model: ModelSpec) -> float:
    """||ours - theirs|| / ||theirs|| of the logits of random tokens through random weights."""
    net = Gemma3ForCausalLM(config(model)).double().eval()
    with torch.no_grad():
        for name, weight in net.named_parameters():
            weight.normal_(0, 0.3 if "norm" in name else weight.shape[-1] ** -0.5)
    tokens = [int(t) for t in np.random.default_rng().integers(0, model.vocab, TOKENS)]
    with torch.no_grad():
        theirs = net(torch.tensor([tokens])).logits[0].numpy()
    weights = {name: weight.numpy().astype(np.float64) for name, weight in net.state_dict().items()}
    layers = [layer(weights, i) for i in range(model.layers)]
    embedding, final = weights["model.embed_tokens.weight"], 1 + weights["model.norm.weight"]
    ours = forward(model, embedding, float(net.model.embed_tokens.embed_scale), layers, final, tokens)
    return float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))


def main() -> int:
    tiny = ModelSpec.load("tiny")
    odd = replace(ModelSpec.load("tiny-odd"), heads=2)  # transformers wants heads that divide the hidden size
    worst = 0.0
    for model in (tiny, odd):
        found = distance(model)
        worst = max(worst, found)
        print(f"{model.name}: {found:.1e}")
    return 0 if worst < BOUND else 1


if __name__ == "__main__":
    sys.exit(main())
