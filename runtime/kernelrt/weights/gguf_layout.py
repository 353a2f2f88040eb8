"""A GGUF file of a Gemma 3, as llama.cpp's converter lays it out."""

import struct
from collections.abc import Sequence
from dataclasses import asdict
from typing import cast

from kernelrt.errors import InputError
from kernelrt.ggml_types import TYPES
from kernelrt.gguf_header import FIELDS, SCALE, usual_scale_dim
from kernelrt.model import ModelSpec
from kernelrt.text.synthetic import gguf_fields
from kernelrt.weights.layout import FileLayout, Planned, aligned, planned
from kernelrt.weights.names import gguf_name
from kernelrt.weights.tensor import F32, Encoding

_ALIGNMENT = 32
_U32, _I32, _FLOAT32, _BOOL, _STRING, _ARRAY = 4, 5, 6, 7, 8, 9
_NUMBERS = {kind.name.lower(): number for number, kind in TYPES.items()}


def gguf_layout(model: ModelSpec, matrices: Encoding, embedding: Encoding, name: str) -> FileLayout:
    """The file. Raises InputError where the model's rows are no whole blocks, or GGUF cannot say what the model is;
    ValueError where its vocabulary is too small for a tokenizer (kernelrt.text.synthetic).
    """
    if model.activation != "gelu_tanh":
        raise InputError(f"a GGUF file of Gemma 3 has no field for the activation {model.activation}")
    tensors = planned(model, matrices, embedding, F32)
    for tensor in tensors:
        if tensor.width % tensor.encoding.block:
            raise InputError(
                f"{tensor.encoding.name} in GGUF needs rows of whole blocks of {tensor.encoding.block} weights; "
                f"those of {gguf_name(tensor.role)} have {tensor.width}"
            )
    pairs = _fields(model)
    header = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(pairs))
    header += b"".join(_string(key) + _value(value) for key, value in pairs.items()) + _infos(tensors)
    return FileLayout(name, header.ljust(aligned(len(header), _ALIGNMENT), b"\0"), tensors, _ALIGNMENT)


def _fields(model: ModelSpec) -> dict[str, object]:
    values = asdict(model)
    pairs: dict[str, object] = {"general.architecture": "gemma3", "general.name": model.name}
    pairs |= {f"gemma3.{theirs}": values[ours] for ours, theirs in FIELDS.items()}
    pairs["gemma3.attention.value_length"] = model.head_dim
    pairs["gemma3.vocab_size"] = model.vocab
    if model.query_scale_dim != usual_scale_dim(values):
        pairs[SCALE] = model.query_scale_dim**-0.5
    if model.rope_scale_global != 1:
        pairs |= {"gemma3.rope.scaling.type": "linear", "gemma3.rope.scaling.factor": model.rope_scale_global}
    ends = {"tokenizer.ggml.bos_token_id": model.bos_id, "tokenizer.ggml.eos_token_id": model.eos_ids[0]}
    return pairs | gguf_fields(model.vocab) | ends


def _infos(tensors: Sequence[Planned]) -> bytes:
    infos: list[bytes] = []
    at = 0
    for tensor in tensors:
        sizes = struct.pack(f"<I{len(tensor.shape)}Q", len(tensor.shape), *reversed(tensor.shape))
        infos.append(_string(gguf_name(tensor.role)) + sizes + struct.pack("<IQ", _NUMBERS[tensor.encoding.name], at))
        at += aligned(tensor.nbytes, _ALIGNMENT)
    return b"".join(infos)


def _string(value: str) -> bytes:
    text = value.encode()
    return struct.pack("<Q", len(text)) + text


def _value(value: object) -> bytes:
    """A type and a value: lists hold one type."""
    if not isinstance(value, list):
        kind, content = _scalar(value)
        return struct.pack("<I", kind) + content
    items = [_scalar(item, _I32) for item in cast(list[object], value)]
    return struct.pack("<IIQ", _ARRAY, items[0][0], len(items)) + b"".join(content for _, content in items)


def _scalar(value: object, whole: int = _U32) -> tuple[int, bytes]:
    if isinstance(value, bool):
        return _BOOL, struct.pack("<?", value)
    if isinstance(value, int):
        return whole, struct.pack("<I" if whole == _U32 else "<i", value)
    if isinstance(value, float):
        return _FLOAT32, struct.pack("<f", value)
    return _STRING, _string(str(value))
