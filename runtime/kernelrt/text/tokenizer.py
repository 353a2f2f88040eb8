"""Text to the ids of a model and back, whichever file the vocabulary is from."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from kernelrt.errors import InputError
from kernelrt.text.vocabulary import Kind, Vocabulary, unicode_text


class Encoder(Protocol):
    """How a text is cut into ids: kernelrt.text.spm.Spm, or the `tokenizers` library (kernelrt.text.json_file)."""

    def encode(self, text: str, special: bool) -> list[int]:
        """Ids of valid Unicode, nothing added. `special`: control tokens are read from the text as well."""
        ...


@dataclass(frozen=True, slots=True)
class Tokenizer:
    """`vocab_size` is the model's once fitted (`for_model`); before, the tokenizer's own."""

    source: Path
    vocabulary: Vocabulary
    encoder: Encoder
    bos_id: int
    adds_bos: bool
    vocab_size: int

    def for_model(self, vocab: int) -> "Tokenizer":
        """The same for a model of `vocab` ids.

        It may have fewer: Gemma's models pad theirs to a multiple of 64, and such an id writes nothing. It may have
        control tokens more: Gemma's tokenizer.json has the image token 262144, which the text models lack. InputError
        for any other token that is not the model's.
        """
        for id in range(vocab, len(self.vocabulary)):
            if self.vocabulary.kinds[id] not in (Kind.CONTROL, Kind.UNUSED):
                size = len(self.vocabulary)
                raise InputError(f"{self.source}: the tokenizer has {size} tokens and the model only {vocab}: not its")
        return replace(self, vocab_size=vocab)

    def encode(self, text: str, *, bos: bool = True, special: bool = False) -> list[int]:
        """The ids of `text`, behind <bos> where `bos` is set and the tokenizer's file does not forbid it.

        Control tokens in the text are read as such only with `special`: without, they are characters like any other.
        InputError for a text that is not Unicode, or that spells a control token which the model lacks.
        """
        ids = self.encoder.encode(unicode_text(text), special)
        for id in ids:
            if id >= self.vocab_size:
                raise InputError(f"the model has no token {self.vocabulary.texts[id]!r} (id {id} of {self.vocab_size})")
        return [self.bos_id, *ids] if bos and self.adds_bos else ids

    def piece(self, id: int) -> bytes:
        """The UTF-8 bytes that a token adds to a text, none for a control token. InputError for an unknown id."""
        if not 0 <= id < self.vocab_size:
            raise InputError(
                f"unknown token id {id}: the vocabulary has {self.vocab_size} (0 to {self.vocab_size - 1})"
            )
        return self.vocabulary.piece(id) if id < len(self.vocabulary) else b""

    def decode(self, ids: Iterable[int]) -> str:
        """The text of `ids`; what is not UTF-8 becomes U+FFFD. InputError for an unknown id."""
        return b"".join(map(self.piece, ids)).decode("utf-8", "replace")

    def id(self, text: str) -> int | None:
        """The id of the token with this text, spaces written as '▁'."""
        id = self.vocabulary.ids.get(text)
        return id if id is not None and id < self.vocab_size else None
