"""The header of a GGUF file of a Gemma 3 model, as the fields of a ModelSpec.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. Only the key/value pairs are read: 15 GB of tensors
are never mapped, and the file may be cut off behind the pairs.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from kernelrt.errors import InputError
from kernelrt.specfile import FieldError, kind_of, number, open_file, shown

_VERSIONS = (2, 3)
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_FLOAT32, _STRING, _ARRAY = 6, 8, 9
_FLOAT32_MAX = 3.4028234663852886e38
_MAX_KEYS, _MAX_STRING, _MAX_ARRAY = 1 << 16, 1 << 26, 1 << 24  # a broken length must not ask for the machine's memory

_FIELDS = {
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
_END_OF_TURN = "<end_of_turn>"
_LAYERS_OF_27B = 62


def read(path: Path) -> tuple[dict[str, object], dict[str, str]]:
    """The fields of a ModelSpec (all but its name), and what the file calls each.

    Not in a GGUF header and therefore taken as Gemma 3 has them: gelu_tanh; the softmax scale, as llama.cpp does:
    1/sqrt(embedding_length / head_count) where there are 62 layers (27B), else 1/sqrt(key_length); the values of
    `_DEFAULTS`, BOS id 2 and EOS id 1 where those keys are missing. `<end_of_turn>` ends a text as well, wherever the
    vocabulary has it. Raises InputError naming file and field.
    """
    try:
        with open_file(path) as file:
            pairs = _Reader(file).pairs()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    except _Malformed as error:
        raise InputError(f"{path}: not a usable GGUF header: {error}") from None
    try:
        return _values(pairs), {ours: f"gemma3.{theirs}" for ours, theirs in _FIELDS.items()}
    except FieldError as error:
        raise error.located(path) from None


class _Malformed(Exception):
    """The bytes are not a GGUF header."""


@dataclass(frozen=True, slots=True)
class _Reader:
    file: BinaryIO

    def pairs(self) -> dict[str, object]:
        if (magic := self.file.read(4)) != b"GGUF":
            raise _Malformed(f"it begins with {magic!r} and not with b'GGUF'")
        if (version := self._numbers("I")[0]) not in _VERSIONS:
            raise _Malformed(f"version {version} is not supported (known: {_VERSIONS})")
        self._numbers("Q")  # how many tensors
        count = self._length(_MAX_KEYS, "keys")
        values: dict[str, object] = {}
        for _ in range(count):
            key = self._string()
            values[key] = self._value(key)
        return values

    def _exactly(self, size: int) -> bytes:
        data = self.file.read(size)
        if len(data) != size:
            raise _Malformed(f"it ends at byte {self.file.tell()}, within the header; was the download cut off?")
        return data

    def _numbers(self, code: str, count: int = 1) -> tuple[int | float | bool, ...]:
        layout = struct.Struct(f"<{count}{code}")
        return layout.unpack(self._exactly(layout.size))

    def _length(self, limit: int, what: str) -> int:
        if (length := int(self._numbers("Q")[0])) > limit:
            raise _Malformed(f"{length} {what} before byte {self.file.tell()} are not plausible")
        return length

    def _string(self) -> str:
        return self._exactly(self._length(_MAX_STRING, "bytes of a string")).decode("utf-8", "replace")

    def _values(self, key: str, kind: int, count: int = 1) -> Sequence[object]:
        if kind == _STRING:
            return [self._string() for _ in range(count)]
        if kind not in _SCALARS:
            raise _Malformed(f"key {shown(key)} has the unknown type {kind}")
        return self._numbers(_SCALARS[kind], count)

    def _value(self, key: str) -> object:
        kind = int(self._numbers("I")[0])
        if kind != _ARRAY:
            value = self._values(key, kind)[0]
            return _shortest(value) if isinstance(value, float) and kind == _FLOAT32 else value
        kind = int(self._numbers("I")[0])
        return list(self._values(key, kind, self._length(_MAX_ARRAY, "array elements")))


def _shortest(value: float) -> float:
    """The shortest decimal number that is this 32-bit one: 1e-6, which was meant, and not 9.999999974752427e-07."""
    bits = struct.pack("<f", value)
    decimals = (float(f"{value:.{digits}g}") for digits in range(1, 10))
    return next((d for d in decimals if abs(d) <= _FLOAT32_MAX and struct.pack("<f", d) == bits), value)


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

    values = {ours: get(theirs) for ours, theirs in _FIELDS.items()}
    values["vocab"], tokens = _vocabulary(pairs)
    values["rope_scale_global"] = _scale(pairs)
    values["query_scale_dim"] = _query_scale_dim(values)
    values["activation"] = "gelu_tanh"
    values["bos_id"] = pairs.get("tokenizer.ggml.bos_token_id", 2)
    eos = [pairs.get("tokenizer.ggml.eos_token_id", 1)]
    eos += [pairs["tokenizer.ggml.eot_token_id"]] if "tokenizer.ggml.eot_token_id" in pairs else []
    values["eos_ids"] = eos + ([tokens.index(_END_OF_TURN)] if _END_OF_TURN in tokens else [])
    if isinstance(values["global_every"], list):
        raise FieldError(f"gemma3.{_FIELDS['global_every']}", "a list is not supported; expected the period")
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


def _query_scale_dim(values: dict[str, object]) -> object:
    hidden, heads = values["hidden"], values["heads"]
    if values["layers"] == _LAYERS_OF_27B and isinstance(hidden, int) and isinstance(heads, int) and heads > 0:
        return hidden / heads
    return values["head_dim"]
