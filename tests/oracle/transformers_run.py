"""Gemma 3 by `transformers` on the CPU: the reference of the references. Imports torch, as no other test does.

Attention is "eager" and the weights are float64; transformers itself computes norms, softmax and RoPE's angles in
float32 whatever the weights are, so that its logits are good to about 1e-6.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch  # pyright: ignore[reportMissingImports]  # of tests/oracle/requirements.txt alone
from numpy.typing import NDArray
from transformers import (  # pyright: ignore[reportMissingImports]  # likewise
    Gemma3Config,
    Gemma3ForCausalLM,
    Gemma3ForConditionalGeneration,
    Gemma3TextConfig,
)

from kernelrt.model import ModelSpec

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Net = Any  # a module of torch, which pyright does not see
_KINDS = {"local": "sliding_attention", "global": "full_attention"}


def text_config(model: ModelSpec) -> Gemma3TextConfig:
    """The same model as transformers 5 describes it."""
    scaling = {"rope_type": "default"}
    if model.rope_scale_global != 1:
        scaling = {"rope_type": "linear", "factor": model.rope_scale_global}
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
        bos_token_id=model.bos_id,
        eos_token_id=list(model.eos_ids),
        layer_types=[_KINDS[kind] for kind in model.layer_kinds],
        rope_parameters={
            "sliding_attention": {"rope_type": "default", "rope_theta": model.rope_theta_local},
            "full_attention": {**scaling, "rope_theta": model.rope_theta_global},
        },
        attn_implementation="eager",
    )


def network(model: ModelSpec, weights: Mapping[str, NDArray[np.floating]]) -> Net:
    """The model with these weights (Hugging Face's names) in float64."""
    net = Gemma3ForCausalLM(text_config(model)).double().eval()
    _fill(net, weights)
    return net


def multimodal(model: ModelSpec, weights: Mapping[str, NDArray[np.floating]]) -> Net:
    """The same as the text part of a multimodal model, whose vision part is tiny and random."""
    tiny = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    vision = {**tiny, "image_size": 28, "patch_size": 14}
    text = text_config(model).to_dict()
    config = Gemma3Config(text_config=text, vision_config=vision, mm_tokens_per_image=4, attn_implementation="eager")
    config.text_config._attn_implementation = "eager"
    net = Gemma3ForConditionalGeneration(config).double().eval()
    _fill(net.model.language_model, {name.removeprefix("model."): w for name, w in weights.items()})
    net.tie_weights()
    return net


def initial(model: ModelSpec, seed: int) -> dict[str, F32]:
    """The float32 weights that transformers itself gives a new model."""
    torch.manual_seed(seed)
    state = Gemma3ForCausalLM(text_config(model)).state_dict()
    return {name: w.numpy().copy() for name, w in state.items() if name != "lm_head.weight"}


def save(net: Net, folder: Path, dtype: torch.dtype, shard: str) -> None:
    """save_pretrained in a dtype, in shards of at most that size."""
    net.to(dtype).save_pretrained(folder, max_shard_size=shard)


def _fill(net: Net, weights: Mapping[str, NDArray[np.floating]]) -> None:
    """Every parameter but the head, which is the embedding. Raises ValueError for a name too many or too few."""
    state = {name: torch.from_numpy(w.astype(np.float64)) for name, w in weights.items()}
    missing, unexpected = net.load_state_dict(state, strict=False)
    if set(missing) - {"lm_head.weight"} or unexpected:
        raise ValueError(f"missing {missing}, unexpected {unexpected}")
    net.tie_weights()


def greedy(net: Net, prompt: Sequence[int], steps: int) -> tuple[list[int], F64]:
    """Decodes greedily, a token at a time over transformers' own cache, EOS or not.

    Gives prompt and `steps` tokens after it, and the logits of each of these positions, [prompt + steps, vocab].
    """
    tokens, rows = list(prompt), []
    fresh, cache = torch.tensor([tokens]), None
    with torch.no_grad():
        for step in range(steps + 1):
            out = net(fresh, past_key_values=cache, use_cache=True)
            rows.append(out.logits[0].numpy())
            if step < steps:
                tokens.append(int(rows[-1][-1].argmax()))
                fresh, cache = torch.tensor([tokens[-1:]]), out.past_key_values
    return tokens, np.concatenate(rows)


def all_at_once(net: Net, tokens: Sequence[int]) -> F64:
    """The logits of every position by one forward pass, [tokens, vocab]."""
    with torch.no_grad():
        return net(torch.tensor([list(tokens)])).logits[0].numpy()
