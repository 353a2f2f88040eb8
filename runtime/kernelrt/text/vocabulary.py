"""A SentencePiece vocabulary: what each token id writes."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from kernelrt.errors import InputError
from kernelrt.model import MAX_VOCAB
from kernelrt.specfile import FieldError, shown

SPACE = "▁"  # U+2581, a space within a piece
BOS, START_OF_TURN, END_OF_TURN = "<bos>", "<start_of_turn>", "<end_of_turn>"
# Some converters write these as ordinary text, and a prompt could then end the user's turn.
_ALWAYS_CONTROL = frozenset({"<pad>", "<eos>", BOS, START_OF_TURN, END_OF_TURN})
_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")


class Kind(IntEnum):
    """What a token is, with the numbers of SentencePiece and of `tokenizer.ggml.token_type`."""

    NORMAL = 1
    UNKNOWN = 2
    CONTROL = 3  # <bos>, <start_of_turn>: made by the program, never out of a user's text, and not printed
    USER_DEFINED = 4  # text that is always this one token
    UNUSED = 5
    BYTE = 6  # <0x00> to <0xFF>, for what no piece covers


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """`texts[id]` and `kinds[id]` of each piece. Where two pieces have the same text, the last one has its id.

    The tokens that part a chat are CONTROL, whatever `kinds` says of them. Raises FieldError ("vocabulary") for no
    pieces, too many, a byte token that names no byte, and a control or user-defined token without text.
    """

    texts: tuple[str, ...]
    kinds: bytes
    ids: Mapping[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not 0 < len(self.texts) <= MAX_VOCAB:
            raise FieldError("vocabulary", f"{len(self.texts)} pieces; expected 1 to {MAX_VOCAB}")
        ids = {text: id for id, text in enumerate(self.texts) if text}
        kinds = bytearray(self.kinds)
        for text in _ALWAYS_CONTROL & ids.keys():
            kinds[ids[text]] = Kind.CONTROL
        object.__setattr__(self, "ids", ids)
        object.__setattr__(self, "kinds", bytes(kinds))
        for id in self.of(Kind.BYTE):
            if byte_of(self.texts[id]) is None:
                raise FieldError("vocabulary", f"the byte token {id} is {shown(self.texts[id])}, not <0x00> to <0xFF>")
        for id in self.of(Kind.UNKNOWN, Kind.CONTROL, Kind.USER_DEFINED):
            if not self.texts[id]:
                raise FieldError("vocabulary", f"the {Kind(kinds[id]).name} token {id} has no text")

    def __len__(self) -> int:
        return len(self.texts)

    def of(self, *kinds: Kind) -> Iterator[int]:
        """The ids of these kinds, ascending."""
        return (id for id, kind in enumerate(self.kinds) if kind in kinds)

    def byte_ids(self) -> tuple[int, ...]:
        """The ids of <0x00> to <0xFF>. Raises FieldError ("vocabulary") where one is missing."""
        found = {byte_of(self.texts[id]): id for id in self.of(Kind.BYTE)}
        if missing := [byte for byte in range(256) if byte not in found]:
            raise FieldError("vocabulary", f"the byte token <0x{missing[0]:02X}> is missing")
        return tuple(found[byte] for byte in range(256))

    def piece(self, id: int) -> bytes:
        """The UTF-8 bytes that a token adds to a text: one of a byte token, none of a control token."""
        kind, text = self.kinds[id], self.texts[id]
        if kind == Kind.BYTE:
            return bytes([int(text[3:5], 16)])
        if kind in (Kind.NORMAL, Kind.USER_DEFINED):
            return text.replace(SPACE, " ").encode()
        return b""


def byte_of(text: str) -> int | None:
    """The byte that a text like <0x0A> names."""
    found = _BYTE.fullmatch(text)
    return int(found[1], 16) if found else None


def unicode_text(text: str, what: str = "the text") -> str:
    """`text`, where it is Unicode: an argument that is not UTF-8 reaches Python as lone surrogates. InputError."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        code = ord(text[error.start])
        raise InputError(f"{what}: not valid Unicode at character {error.start} (U+{code:04X})") from None
    return text
