"""A Hugging Face config.json of a Gemma 3 text model, as the fields of a ModelSpec."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from kernelrt.errors import InputError
from kernelrt.specfile import FieldError, kind_of, number, read_bytes, shown

# Our field -> theirs, for the fields that are one to one.
_FIELDS = {
    "hidden": "hidden_size",
    "layers": "num_hidden_layers",
    "heads": "num_attention_heads",
    "kv_heads": "num_key_value_heads",
    "head_dim": "head_dim",
    "ffn": "intermediate_size",
    "vocab": "vocab_size",
    "window": "sliding_window",
    "query_scale_dim": "query_pre_attn_scalar",
    "norm_eps": "rms_norm_eps",
    "max_positions": "max_position_embeddings",
    "bos_id": "bos_token_id",
}
_ALSO = {"eos_ids": "eos_token_id", "activation": "hidden_activation", "global_every": "sliding_window_pattern"}
# What a config.json may leave out: the documented defaults of transformers' Gemma3TextConfig. The published files of
# the multimodal models rely on them (27B leaves out vocab_size, 4B also the head counts and query_pre_attn_scalar).
# hidden_size, intermediate_size and num_hidden_layers must be there: every published file has them.
_DEFAULTS: Mapping[str, object] = {
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "head_dim": 256,
    "vocab_size": 262208,
    "sliding_window": 4096,
    "query_pre_attn_scalar": 256,
    "rms_norm_eps": 1e-6,
    "max_position_embeddings": 131072,
    "bos_token_id": 2,
    "eos_token_id": 1,
    "hidden_activation": "gelu_pytorch_tanh",
    "rope_theta": 1_000_000.0,
    "rope_local_base_freq": 10_000.0,
    "sliding_window_pattern": 6,
}
_ACTIVATIONS = {"gelu_pytorch_tanh": "gelu_tanh", "silu": "silu"}
_ARCHITECTURES = ("gemma3_text", "gemma3")
# Switches that would change the arithmetic. Gemma 3 has them all at the second value; anything else is another model.
_REFUSED: Mapping[str, object] = {
    "attention_bias": False,
    "attn_logit_softcapping": None,
    "final_logit_softcapping": None,
    "use_bidirectional_attention": False,
    "tie_word_embeddings": True,
}
_LOCAL, _GLOBAL = "sliding_attention", "full_attention"


def read(path: Path) -> tuple[dict[str, object], dict[str, str]]:
    """The fields of a ModelSpec (all but its name), and what the file calls each.

    Takes Gemma3ForCausalLM configurations and multimodal ones with a `text_config`, with the fields of transformers 4
    (rope_theta, rope_local_base_freq, rope_scaling, sliding_window_pattern) or 5 (rope_parameters by layer type,
    layer_types). What may be missing takes the default of transformers' Gemma3TextConfig (`_DEFAULTS`).
    Raises InputError naming file and field.
    """
    try:
        top = _table("the file", json.loads(read_bytes(path).decode("utf-8"), parse_int=_whole))
        config = _text_config(top)
        return _values(config, top), {**_FIELDS, **_ALSO}
    except FieldError as error:
        raise error.located(path) from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not valid JSON: not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise InputError(f"{path}: not valid JSON: {error}") from None
    except RecursionError:
        raise InputError(f"{path}: not valid JSON: nested too deeply") from None


def _whole(digits: str) -> int | float:
    """An integer; one of more digits than a float's range is infinite, which every field refuses under its name."""
    return int(digits) if len(digits) <= 400 else float(digits)


def _table(field: str, value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise FieldError(field, f"expected an object, found {kind_of(value)}")
    return cast(dict[str, object], value)


def _text_config(top: dict[str, object]) -> dict[str, object]:
    architecture = top.get("model_type", top.get("architectures"))
    if architecture not in _ARCHITECTURES:
        known = " or ".join(_ARCHITECTURES)
        raise FieldError("model_type", f"{shown(architecture)} is not supported; expected {known}")
    return _table("text_config", top["text_config"]) if "text_config" in top else top


def _values(config: dict[str, object], top: dict[str, object]) -> dict[str, object]:
    def get(name: str) -> object:
        if name not in config and name not in _DEFAULTS:
            raise FieldError(name, "missing")
        return config.get(name, _DEFAULTS.get(name))

    for name, only in _REFUSED.items():
        # transformers writes null, or nothing, for a switch that is off
        if (found := config.get(name, top.get(name))) not in (only, None):
            raise FieldError(name, f"{shown(found)} is not supported; Gemma 3 text models have {only!r}")
    values = {ours: get(theirs) for ours, theirs in _FIELDS.items()}
    activation = get("hidden_activation")
    if not isinstance(activation, str) or activation not in _ACTIVATIONS:
        raise FieldError("hidden_activation", f"unknown value {shown(activation)}; one of: {', '.join(_ACTIVATIONS)}")
    # A multimodal file gives the ids that end a turn at its top level, not in text_config.
    eos = top["eos_token_id"] if "eos_token_id" in top else get("eos_token_id")
    values |= {"activation": _ACTIVATIONS[activation], "eos_ids": cast(object, eos) if isinstance(eos, list) else [eos]}
    values["global_every"] = _period(config, get("num_hidden_layers"), get("sliding_window_pattern"))
    return values | _rope(config, get("rope_theta"), get("rope_local_base_freq"))


def _period(config: dict[str, object], layers: object, pattern: object) -> object:
    """Layer i is global when (i + 1) % period == 0. `layer_types`, the later form, goes before a pattern's number."""
    pattern = config.get("_sliding_window_pattern", pattern)  # what transformers 5 saves a transformers 4 field as
    kinds = config.get("layer_types")
    if kinds is None:
        return pattern
    if not isinstance(kinds, list):
        raise FieldError("layer_types", f"expected a list, found {kind_of(kinds)}")
    kinds = cast(list[object], kinds)
    if len(kinds) != layers:
        raise FieldError("layer_types", f"has {len(kinds)} entries for {shown(layers)} layers (num_hidden_layers)")
    for i, kind in enumerate(kinds):
        if kind not in (_LOCAL, _GLOBAL):
            raise FieldError(f"layer_types[{i}]", f"unknown value {shown(kind)}; one of: {_LOCAL}, {_GLOBAL}")
    if _GLOBAL not in kinds:  # fewer layers than a period: the number says which, if it can be true
        return pattern if isinstance(pattern, int) and pattern > len(kinds) else len(kinds) + 1
    period = kinds.index(_GLOBAL) + 1
    for i, kind in enumerate(kinds):
        expected = _GLOBAL if (i + 1) % period == 0 else _LOCAL
        if kind != expected:
            raise FieldError(f"layer_types[{i}]", f"is {kind}, where a pattern of {period} layers has {expected}")
    return period


def _rope(config: dict[str, object], theta_global: object, theta_local: object) -> dict[str, object]:
    parameters = config.get("rope_parameters")
    if parameters is None:
        scale = _linear_factor("rope_scaling", config.get("rope_scaling"))
    else:
        table = _table("rope_parameters", parameters)
        full = _table(f"rope_parameters.{_GLOBAL}", table.get(_GLOBAL))
        local = _table(f"rope_parameters.{_LOCAL}", table.get(_LOCAL))
        scale = _linear_factor(f"rope_parameters.{_GLOBAL}", full)
        if _linear_factor(f"rope_parameters.{_LOCAL}", local) != 1.0:
            raise FieldError(f"rope_parameters.{_LOCAL}", "scaling of local layers is not supported; Gemma 3 has none")
        theta_global, theta_local = full.get("rope_theta", theta_global), local.get("rope_theta", theta_local)
    return {
        "rope_theta_global": number("rope_theta", theta_global),
        "rope_theta_local": number("rope_local_base_freq", theta_local),
        "rope_scale_global": scale,
    }


def _linear_factor(field: str, value: object) -> float:
    """The factor that positions are divided by: 1.0 for no scaling."""
    if value is None:
        return 1.0
    table = _table(field, value)
    kind = table.get("rope_type", table.get("type", "default"))
    if kind == "default":
        return 1.0
    if kind != "linear":
        raise FieldError(f"{field}.rope_type", f"{shown(kind)} is not supported; one of: default, linear")
    return number(f"{field}.factor", table.get("factor"))
