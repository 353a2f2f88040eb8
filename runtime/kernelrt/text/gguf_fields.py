"""The tokenizer that a GGUF file carries (`tokenizer.ggml.*`), SentencePiece alone.

Keys: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

from kernelrt.specfile import FieldError, kind_of, shown
from kernelrt.text.spm import Spm
from kernelrt.text.tokenizer import Tokenizer
from kernelrt.text.vocabulary import Kind, Vocabulary

_PREFIX = "tokenizer.ggml."
_BOS = 2  # of Gemma


def tokenizer(fields: Mapping[str, object], source: Path) -> Tokenizer:
    """From the key/value pairs of the file `source`. InputError that names file and key for what cannot be used."""
    try:
        return _tokenizer(fields, source)
    except FieldError as error:
        raise error.located(source, f"{_PREFIX}{'tokens' if error.field == 'vocabulary' else error.field}") from None


def _tokenizer(fields: Mapping[str, object], source: Path) -> Tokenizer:
    if (model := fields.get(f"{_PREFIX}model")) != "llama":
        problem = "missing" if model is None else f"{shown(model)} is not supported"
        raise FieldError("model", f"{problem}; expected 'llama' (SentencePiece), as Gemma 3 has")
    if _boolean(fields, "add_space_prefix", default=False):
        raise FieldError("add_space_prefix", "True is not supported; Gemma 3 has no dummy prefix")
    texts = _list(fields, "tokens")
    if wrong := [i for i, text in enumerate(texts) if not isinstance(text, str)]:
        raise FieldError("tokens", f"piece {wrong[0]} is {kind_of(texts[wrong[0]])}, not a string")
    types = _list(fields, "token_type", len(texts))
    known = frozenset(int(kind) for kind in Kind)
    if wrong := [i for i, kind in enumerate(types) if type(kind) is not int or kind not in known]:
        raise FieldError("token_type", f"piece {wrong[0]} has the unknown type {shown(types[wrong[0]])}")
    scores = _list(fields, "scores", len(texts))
    if wrong := [i for i, score in enumerate(scores) if not _is_finite(score)]:
        raise FieldError("scores", f"piece {wrong[0]} has {shown(scores[wrong[0]])}, not a finite number")
    vocabulary = Vocabulary(tuple(cast("list[str]", texts)), bytes(cast("list[int]", types)))
    return Tokenizer(
        source,
        vocabulary,
        Spm.of(vocabulary, cast("list[float]", scores)),
        bos_id=_id(fields, "bos_token_id", _BOS, len(texts)),
        adds_bos=_boolean(fields, "add_bos_token", default=True),
        vocab_size=len(texts),
    )


def _list(fields: Mapping[str, object], key: str, length: int | None = None) -> Sequence[object]:
    if (value := fields.get(f"{_PREFIX}{key}")) is None:
        raise FieldError(key, "missing")
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        raise FieldError(key, f"expected an array, found {kind_of(value)}")
    items = cast("Sequence[object]", value)
    if length is not None and len(items) != length:
        raise FieldError(key, f"has {len(items)} elements for {length} tokens")
    return items


def _boolean(fields: Mapping[str, object], key: str, *, default: bool) -> bool:
    value = fields.get(f"{_PREFIX}{key}", default)
    if not isinstance(value, bool):
        raise FieldError(key, f"expected a boolean, found {kind_of(value)}")
    return value


def _id(fields: Mapping[str, object], key: str, default: int, size: int) -> int:
    value = fields.get(f"{_PREFIX}{key}", default)
    if type(value) is not int or not 0 <= value < size:
        raise FieldError(key, f"{shown(value)} is not one of the {size} token ids")
    return value


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
