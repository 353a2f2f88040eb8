"""Small random vocabularies, and the ways to run one: this project's, sentencepiece's, Hugging Face's, a plain loop."""

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import sentencepiece
from hypothesis import strategies as st

from kernelrt.text import gguf_fields
from kernelrt.text.tokenizer import Tokenizer

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)
ALPHABET = "abc▁\né漢🙂<>"
HEAD = (
    ("<pad>", CONTROL),
    ("<eos>", CONTROL),
    ("<bos>", CONTROL),
    ("<unk>", UNKNOWN),
    *((f"<0x{byte:02X}>", BYTE) for byte in range(256)),
    ("<start_of_turn>", CONTROL),
    ("<end_of_turn>", CONTROL),
)


@dataclass(frozen=True)
class Pieces:
    """A vocabulary: HEAD, and then normal and user-defined pieces with scores."""

    body: tuple[tuple[str, int, float], ...]

    @property
    def rows(self) -> list[tuple[str, int, float]]:
        return [(text, kind, 0.0) for text, kind in HEAD] + list(self.body)

    def fields(self) -> dict[str, object]:
        texts, kinds, scores = (list(column) for column in zip(*self.rows, strict=True))
        return {
            "tokenizer.ggml.model": "llama",
            "tokenizer.ggml.tokens": texts,
            "tokenizer.ggml.scores": scores,
            "tokenizer.ggml.token_type": kinds,
        }

    def tokenizer(self) -> Tokenizer:
        return gguf_fields.tokenizer(self.fields(), Path("model.gguf"))

    def sentencepiece(self) -> sentencepiece.SentencePieceProcessor:
        return sentencepiece.SentencePieceProcessor(model_proto=model_proto(self.rows))


def model_proto(rows: Sequence[tuple[str, int, float]]) -> bytes:
    """A sentencepiece model file (sentencepiece_model.proto): BPE, byte fallback, nothing normalized."""

    def number(field: int, value: int) -> bytes:
        return bytes([*varint(field << 3), *varint(value)])

    def message(field: int, body: bytes) -> bytes:
        return bytes([*varint(field << 3 | 2), *varint(len(body))]) + body

    def varint(value: int) -> list[int]:
        return [value] if value < 128 else [value & 127 | 128, *varint(value >> 7)]

    pieces = b"".join(
        message(1, message(1, text.encode()) + b"\x15" + struct.pack("<f", score) + number(3, kind))
        for text, kind, score in rows
    )
    trainer = number(3, 2) + number(35, 1) + number(40, 3) + number(41, 2) + number(42, 1) + number(43, 0)
    normalizer = message(1, b"identity") + number(3, 0) + number(4, 0) + number(5, 1)
    return pieces + message(2, trainer) + message(3, normalizer)


@st.composite
def vocabularies(draw: st.DrawFn) -> Pieces:
    """Pieces that merges can reach (joins of earlier ones) and some that none can; scores that are often equal."""
    pieces = draw(st.lists(st.sampled_from(ALPHABET), min_size=1, max_size=4, unique=True))
    for _ in range(draw(st.integers(0, 15))):
        pieces.append(draw(st.sampled_from(pieces)) + draw(st.sampled_from(pieces)))
    pieces += draw(st.lists(st.text(ALPHABET, min_size=1, max_size=4), max_size=3))
    taken = {text for text, _ in HEAD}
    texts = [text for text in dict.fromkeys(pieces) if len(text) < 40 and text not in taken]
    trained = [-float(i) for i in range(len(texts))]  # a piece after the two that make it
    scores = st.sampled_from([-3.0, -2.0, -1.0, 0.0, 1000.0])
    drawn = st.lists(scores, min_size=len(texts), max_size=len(texts))
    kinds = st.sampled_from([NORMAL, NORMAL, NORMAL, USER_DEFINED])
    body = zip(texts, draw(st.just(trained) | drawn), strict=True)
    special = draw(st.booleans())
    return Pieces(tuple((text, draw(kinds) if special else NORMAL, score) for text, score in body))


TEXTS = st.text(ALPHABET + " d", max_size=60) | st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


def line(error: Exception) -> str:
    """What the user reads: a single line."""
    assert "\n" not in str(error)
    return str(error)


def dump(path: Path, tokenizer: dict[str, object], config: dict[str, object] | None = None) -> Path:
    """`tokenizer` as a tokenizer.json in the folder `path`, which it gives back."""
    path.mkdir(parents=True, exist_ok=True)
    (path / "tokenizer.json").write_text(json.dumps(tokenizer))
    if config is not None:
        (path / "tokenizer_config.json").write_text(json.dumps(config))
    return path
