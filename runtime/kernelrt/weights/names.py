"""The names of a Gemma 3's tensors: in Hugging Face checkpoints, in GGUF files, and here.

A role is our word for one tensor of a checkpoint: "embedding", "final_norm", "head" (the output matrix, where a file
has one), and "{layer}.q", "{layer}.k", "{layer}.v" and so on for the tensors of a layer (`LAYER_ROLES`).
"""

import re
from collections.abc import Mapping
from types import MappingProxyType

# Role -> (Hugging Face, GGUF).
_TOP: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "embedding": ("embed_tokens.weight", "token_embd.weight"),
        "final_norm": ("norm.weight", "output_norm.weight"),
        "head": ("lm_head.weight", "output.weight"),
    }
)
LAYER_ROLES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "q": ("self_attn.q_proj.weight", "attn_q.weight"),
        "k": ("self_attn.k_proj.weight", "attn_k.weight"),
        "v": ("self_attn.v_proj.weight", "attn_v.weight"),
        "o_proj": ("self_attn.o_proj.weight", "attn_output.weight"),
        "gate": ("mlp.gate_proj.weight", "ffn_gate.weight"),
        "up": ("mlp.up_proj.weight", "ffn_up.weight"),
        "down": ("mlp.down_proj.weight", "ffn_down.weight"),
        "input_norm": ("input_layernorm.weight", "attn_norm.weight"),
        "post_attention_norm": ("post_attention_layernorm.weight", "post_attention_norm.weight"),
        "pre_ffn_norm": ("pre_feedforward_layernorm.weight", "ffn_norm.weight"),
        "post_ffn_norm": ("post_feedforward_layernorm.weight", "post_ffw_norm.weight"),
        "q_norm": ("self_attn.q_norm.weight", "attn_q_norm.weight"),
        "k_norm": ("self_attn.k_norm.weight", "attn_k_norm.weight"),
    }
)
_TOP_OF_HF = {hf: role for role, (hf, _) in _TOP.items()}
_TOP_OF_GGUF = {gguf: role for role, (_, gguf) in _TOP.items()}
_LAYER_OF_HF = {hf: role for role, (hf, _) in LAYER_ROLES.items()}
_LAYER_OF_GGUF = {gguf: role for role, (_, gguf) in LAYER_ROLES.items()}
_HF_LAYER = re.compile(r"layers\.(0|[1-9][0-9]{0,3})\.(.+)")
_GGUF_LAYER = re.compile(r"blk\.(0|[1-9][0-9]{0,3})\.(.+)")
# A multimodal checkpoint holds the text model under one of the longer prefixes, by the version that wrote it.
_TEXT = ("language_model.model.", "model.language_model.", "model.")
_HEADS = ("language_model.lm_head.weight", "lm_head.weight")
_VISION = re.compile(r"(model\.)?(vision_tower|multi_modal_projector)\.")


def is_vision(name: str) -> bool:
    """Whether a Hugging Face tensor belongs to the vision part, which a text model does without."""
    return _VISION.match(name) is not None


def role_of_hf(name: str) -> str | None:
    """The role of a Hugging Face tensor of the text model; None for a name that Gemma 3 does not have."""
    if name in _HEADS:
        return "head"
    prefix = next((prefix for prefix in _TEXT if name.startswith(prefix)), None)
    if prefix is None:
        return None
    rest = name[len(prefix) :]
    if (layer := _HF_LAYER.fullmatch(rest)) is not None:
        role = _LAYER_OF_HF.get(layer[2])
        return None if role is None else f"{layer[1]}.{role}"
    return _TOP_OF_HF.get(rest)


def role_of_gguf(name: str) -> str | None:
    """The role of a GGUF tensor; None for a name that Gemma 3 does not have."""
    if (layer := _GGUF_LAYER.fullmatch(name)) is not None:
        role = _LAYER_OF_GGUF.get(layer[2])
        return None if role is None else f"{layer[1]}.{role}"
    return _TOP_OF_GGUF.get(name)


def hf_name(role: str) -> str:
    """What Hugging Face's text models call a role."""
    layer, dot, kind = role.partition(".")
    if dot:
        return f"model.layers.{layer}.{LAYER_ROLES[kind][0]}"
    return _HEADS[-1] if role == "head" else f"model.{_TOP[role][0]}"


def gguf_name(role: str) -> str:
    """What GGUF files call a role."""
    layer, dot, kind = role.partition(".")
    return f"blk.{layer}.{LAYER_ROLES[kind][1]}" if dot else _TOP[role][1]
