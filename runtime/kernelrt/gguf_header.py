"""The key/value pairs of a GGUF file of a Gemma 3 model, as the fields of a ModelSpec.

Only the pairs are read: 15 GB of tensors are never mapped, and the file may be cut off behind the pairs.
"""

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from kernelrt.gguf import read_fields
from kernelrt.specfile import FieldError, kind_of, number, shown

FIELDS: Mapping[str, str] = {
    "hidden": "embedding_length",
    "layers": "block_count",
    "heads": "attention.head_count",
    "kv_heads": "attention.head_count_kv",
    "head_dim": "attention.key_length",
    "ffn": "feed_forward_length",
    "window": "attention.sliding_window",
    "max_positions": "context_length",
    "norm_eps": "attention.layer_norm_rms_epsilon",
    "rope_theta_global": "rope.freq_base",
    "rope_theta_local": "rope.freq_base_swa",
    "global_every": "attention.sliding_window_pattern",
}
# Files carry no more than this of Gemma 3's constants; the rest are the defaults of transformers' Gemma3TextConfig.
_DEFAULTS: Mapping[str, object] = {
    "rope.freq_base": 1_000_000.0,
    "rope.freq_base_swa": 10_000.0,
    "attention.sliding_window_pattern": 6,
}
SCALE = "gemma3.attention.scale"
_SCALES = (1e-6, 1.0)  # 1/sqrt of any width
_END_OF_TURN = "<end_of_turn>"
_LAYERS_OF_27B = 62


def read(path: Path) -> tuple[dict[str, object], dict[str, str]]:
    """The fields of a ModelSpec (all but its name), and what the file calls each.

    Not in a GGUF header and therefore taken as Gemma 3 has them: gelu_tanh; the softmax scale, as llama.cpp does:
    1/sqrt(embedding_length / head_count) where there are 62 layers (27B), else 1/sqrt(key_length), unless a key `SCALE`
    says it; the values of `_DEFAULTS`, BOS id 2 and EOS id 1 where those keys are missing. `<end_of_turn>` ends a text
    as well, wherever the vocabulary has it. Raises InputError naming file and field.
    """
    pairs = read_fields(path)
    try:
        return _values(pairs), {ours: f"gemma3.{theirs}" for ours, theirs in FIELDS.items()}
    except FieldError as error:
        raise error.located(path) from None


def _values(pairs: dict[str, object]) -> dict[str, object]:
    architecture = pairs.get("general.architecture")
    if architecture != "gemma3":
        raise FieldError("general.architecture", f"{shown(architecture)} is not supported; expected 'gemma3'")
    if pairs.get("gemma3.final_logit_softcapping"):
        raise FieldError("gemma3.final_logit_softcapping", "is not supported; Gemma 3 has none")
    key_length = pairs.get("gemma3.attention.key_length")
    if (value_length := pairs.get("gemma3.attention.value_length", key_length)) != key_length:
        problem = f"{shown(value_length)} is not the key_length, {shown(key_length)}"
        raise FieldError("gemma3.attention.value_length", problem)

    def get(name: str) -> object:
        if (value := pairs.get(f"gemma3.{name}", _DEFAULTS.get(name))) is None:
            raise FieldError(f"gemma3.{name}", "missing")
        return value

    values = {ours: get(theirs) for ours, theirs in FIELDS.items()}
    values["vocab"], tokens = _vocabulary(pairs)
    values["rope_scale_global"] = _scale(pairs)
    scale = pairs.get(SCALE)
    values["query_scale_dim"] = usual_scale_dim(values) if scale is None else _scale_dim(number(SCALE, scale))
    values["activation"] = "gelu_tanh"
    values["bos_id"] = pairs.get("tokenizer.ggml.bos_token_id", 2)
    eos = [pairs.get("tokenizer.ggml.eos_token_id", 1)]
    eos += [pairs["tokenizer.ggml.eot_token_id"]] if "tokenizer.ggml.eot_token_id" in pairs else []
    values["eos_ids"] = eos + ([tokens.index(_END_OF_TURN)] if _END_OF_TURN in tokens else [])
    if isinstance(values["global_every"], list):
        raise FieldError(f"gemma3.{FIELDS['global_every']}", "a list is not supported; expected the period")
    return values


def _vocabulary(pairs: dict[str, object]) -> tuple[object, list[object]]:
    tokens = pairs.get("tokenizer.ggml.tokens", [])
    if not isinstance(tokens, list):
        raise FieldError("tokenizer.ggml.tokens", f"expected a list, found {kind_of(tokens)}")
    listed = cast(list[object], tokens)
    if (size := pairs.get("gemma3.vocab_size", len(listed))) == 0:
        raise FieldError("gemma3.vocab_size", "missing, and there is no tokenizer.ggml.tokens to count")
    return size, listed


def _scale(pairs: dict[str, object]) -> float:
    kind = pairs.get("gemma3.rope.scaling.type", "none")
    if kind == "none":
        return 1.0
    if kind != "linear":
        raise FieldError("gemma3.rope.scaling.type", f"{shown(kind)} is not supported; one of: none, linear")
    return number("gemma3.rope.scaling.factor", pairs.get("gemma3.rope.scaling.factor"))


def usual_scale_dim(values: Mapping[str, object]) -> object:
    """query_scale_dim where the file does not say it."""
    hidden, heads = values["hidden"], values["heads"]
    if values["layers"] == _LAYERS_OF_27B and isinstance(hidden, int) and isinstance(heads, int) and heads > 0:
        return hidden / heads
    return values["head_dim"]


def _scale_dim(scale: float) -> float:
    """The shortest number whose 1/sqrt is this 32-bit scale."""
    if not _SCALES[0] <= scale <= _SCALES[1]:
        raise FieldError(SCALE, f"must be within {_SCALES[0]} and {_SCALES[1]}, is {scale}")
    bits = struct.pack("<f", scale)
    exact = scale**-2
    decimals = (float(f"{exact:.{digits}g}") for digits in range(1, 17))
    return next((d for d in decimals if struct.pack("<f", d**-0.5) == bits), exact)
