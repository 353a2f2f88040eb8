"""A folder as Hugging Face lays out a Gemma 3 text model: config.json, tokenizer.json, safetensors with an index."""

import json
from collections.abc import Sequence

from kernelrt.model import ModelSpec
from kernelrt.text.synthetic import tokenizer_json
from kernelrt.weights.layout import FileLayout, Planned, planned
from kernelrt.weights.names import hf_name
from kernelrt.weights.source import CONFIG, INDEX, SINGLE
from kernelrt.weights.tensor import Encoding

_DTYPES = {"bf16": ("BF16", "bfloat16"), "f16": ("F16", "float16"), "f32": ("F32", "float32")}  # safetensors, torch
_ACTIVATIONS = {"gelu_tanh": "gelu_pytorch_tanh", "silu": "silu"}
_KINDS = {"local": "sliding_attention", "global": "full_attention"}


def folder_layout(model: ModelSpec, encoding: Encoding, shard_bytes: int) -> tuple[list[FileLayout], dict[str, bytes]]:
    """The safetensors files, each of at most `shard_bytes` (or one tensor), and the small files beside them.

    ValueError where the model's vocabulary is too small for a tokenizer (kernelrt.text.synthetic).
    """
    shards = _shards(planned(model, encoding, encoding, encoding), shard_bytes)
    many = len(shards) > 1
    names = [f"model-{i:05}-of-{len(shards):05}.safetensors" for i in range(1, len(shards) + 1)] if many else [SINGLE]
    files = [FileLayout(name, _header(shard), tuple(shard), 1) for name, shard in zip(names, shards, strict=True)]
    small = {CONFIG: _json(_config(model, encoding)), "tokenizer.json": _json(tokenizer_json(model.vocab))}
    if many:
        weight_map = {hf_name(tensor.role): file.name for file in files for tensor in file.tensors}
        total = sum(tensor.nbytes for file in files for tensor in file.tensors)
        small[INDEX] = _json({"metadata": {"total_size": total}, "weight_map": weight_map})
    return files, small


def _shards(tensors: Sequence[Planned], most: int) -> list[list[Planned]]:
    shards: list[list[Planned]] = [[]]
    size = 0
    for tensor in tensors:
        if shards[-1] and size + tensor.nbytes > most:
            shards.append([])
            size = 0
        shards[-1].append(tensor)
        size += tensor.nbytes
    return shards


def _header(tensors: Sequence[Planned]) -> bytes:
    """The length and the JSON, padded so that the data begins at a multiple of 8."""
    table: dict[str, object] = {"__metadata__": {"format": "pt"}}
    at = 0
    for tensor in tensors:
        end = at + tensor.nbytes
        dtype = _DTYPES[tensor.encoding.name][0]
        table[hf_name(tensor.role)] = {"dtype": dtype, "shape": list(tensor.shape), "data_offsets": [at, end]}
        at = end
    text = json.dumps(table, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=1).encode() + b"\n"


def _config(model: ModelSpec, encoding: Encoding) -> dict[str, object]:
    """config.json with the fields of transformers 5."""
    scale, dim = model.rope_scale_global, model.query_scale_dim
    scaling: dict[str, object] = {"rope_type": "default"} if scale == 1 else {"rope_type": "linear", "factor": scale}
    return {
        "architectures": ["Gemma3ForCausalLM"],
        "model_type": "gemma3_text",
        "dtype": _DTYPES[encoding.name][1],
        "vocab_size": model.vocab,
        "hidden_size": model.hidden,
        "intermediate_size": model.ffn,
        "num_hidden_layers": model.layers,
        "num_attention_heads": model.heads,
        "num_key_value_heads": model.kv_heads,
        "head_dim": model.head_dim,
        "query_pre_attn_scalar": int(dim) if dim.is_integer() else dim,
        "sliding_window": model.window,
        "layer_types": [_KINDS[kind] for kind in model.layer_kinds],
        "rope_parameters": {
            "sliding_attention": {"rope_type": "default", "rope_theta": model.rope_theta_local},
            "full_attention": {**scaling, "rope_theta": model.rope_theta_global},
        },
        "rms_norm_eps": model.norm_eps,
        "max_position_embeddings": model.max_positions,
        "hidden_activation": _ACTIVATIONS[model.activation],
        "attention_bias": False,
        "tie_word_embeddings": True,
        "bos_token_id": model.bos_id,
        "eos_token_id": list(model.eos_ids),
        "pad_token_id": 0,
    }
