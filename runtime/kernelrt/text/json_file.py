"""The tokenizer of a Hugging Face `tokenizer.json`, run by the `tokenizers` library.

What it gives is what `transformers` gives; only which texts count as control tokens is decided here.
"""

import json
import os
import re
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

import tokenizers

from kernelrt.errors import InputError
from kernelrt.jsonio import JsonError, Node, parse
from kernelrt.model import MAX_VOCAB
from kernelrt.specfile import FieldError, open_file, shown
from kernelrt.text.tokenizer import Tokenizer
from kernelrt.text.vocabulary import BOS, SPACE, Kind, Vocabulary, byte_of

_MAX_BYTES = 256 << 20  # Gemma's has 33 MB
_SHOWN = 160  # characters of what the library says
_DECODER = {
    "type": "Sequence",
    "decoders": [
        {"type": "Replace", "pattern": {"String": SPACE}, "content": " "},
        {"type": "ByteFallback"},
        {"type": "Fuse"},
    ],
}


@dataclass(frozen=True, slots=True)
class _Added:
    """A token of the list `added_tokens`."""

    where: str  # in the file
    id: int
    text: str
    special: bool


@dataclass(frozen=True, slots=True)
class _Library:
    """The Encoder. The lock: whether control tokens are read is a setting of the library's object, not of a call."""

    library: tokenizers.Tokenizer
    vocabulary: Vocabulary
    lock: Lock = field(default_factory=Lock)

    def encode(self, text: str, special: bool) -> list[int]:
        with self.lock:
            self.library.encode_special_tokens = not special
            ids = self.library.encode(text, add_special_tokens=False).ids
        kinds = self.vocabulary.kinds
        if not special and (made := [id for id in ids if kinds[id] == Kind.CONTROL]):
            raise InputError(
                f"the tokenizer makes the control token {self.vocabulary.texts[made[0]]!r} out of plain text"
            )
        return ids


def tokenizer(path: Path) -> Tokenizer:
    """From `path` and, where one lies beside it, its tokenizer_config.json (`bos_token`, `add_bos_token`).

    BPE that decodes as SentencePiece does, as Gemma 3 has it. InputError that names file and field for anything else.
    """
    data = _read(path)
    with _naming(path):
        vocabulary, added = _content(data)
    bos, adds_bos = _config(path.parent / "tokenizer_config.json")
    if (bos_id := vocabulary.ids.get(bos)) is None:
        raise InputError(f"{path}: model.vocab: it has no {shown(bos)}, which begins every text")
    library = _load(data, path, added)
    controls = [vocabulary.texts[id] for id in vocabulary.of(Kind.CONTROL)]
    marked = [tokenizers.AddedToken(text, normalized=False, special=True) for text in controls]
    library.add_special_tokens(marked)  # pyright: ignore[reportUnknownMemberType]  # its stub says `list` alone
    return Tokenizer(path, vocabulary, _Library(library, vocabulary), bos_id, adds_bos, len(vocabulary))


@contextmanager
def _naming(path: Path) -> Generator[None]:
    """Errors within say which file they are of."""
    try:
        yield
    except JsonError as error:
        raise InputError(f"{path}: {str(error).lstrip('.: ')}") from None
    except FieldError as error:
        raise error.located(path, "model.vocab") from None


def _read(path: Path) -> bytes:
    try:
        with open_file(path) as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    if len(data) > _MAX_BYTES:
        raise InputError(f"{path}: larger than {_MAX_BYTES >> 20} MiB, which no tokenizer is")
    return data


def _load(data: bytes, path: Path, added: list[_Added]) -> tokenizers.Tokenizer:
    try:
        library = tokenizers.Tokenizer.from_buffer(data)
    except ValueError as error:
        raise InputError(f"{path}: {_culprit(data)}: {_problem(error)}") from None
    library.no_truncation()
    library.no_padding()
    for token in added:
        if library.token_to_id(token.text) != token.id:  # the library gives it the next free id without a word
            problem = f"{token.id} is neither what model.vocab says of {shown(token.text)} nor the next free id"
            raise InputError(f"{path}: {token.where}.id: {problem}")
    return library


def _culprit(data: bytes) -> str:
    """The member of a tokenizer.json that the library refuses: it names a column, and all is in one line."""
    whole = parse(data, "").plain()
    bare: dict[str, object] = {"version": "1.0", "model": {"type": "BPE", "vocab": {}, "merges": []}}
    for key, value in whole.items():
        try:
            tokenizers.Tokenizer.from_buffer(json.dumps({**bare, key: value}).encode())
        except ValueError:
            return key
    return "not a usable tokenizer"


def _problem(error: ValueError) -> str:
    words = str(error).removeprefix("Cannot instantiate Tokenizer from buffer: ")
    return " ".join(re.sub(r" at line \d+ column \d+$", "", words)[:_SHOWN].split())


def _content(data: bytes) -> tuple[Vocabulary, list[_Added]]:
    """What the file says. The parsed whole, 130 MB of Gemma's, is given up here, before the library makes its own."""
    root = parse(data, "")
    added = _added(root)
    decoder = _member(root, "decoder")
    if decoder.value != _DECODER:
        raise JsonError(f"{decoder.where}: not Gemma's (Replace of {SPACE!r} by ' ', ByteFallback, Fuse)")
    return _vocabulary(_member(root, "model"), added), added


def _vocabulary(model: Node, added: list[_Added]) -> Vocabulary:
    _member(model, "type").text(("BPE",))
    options = model.plain()
    if options.get("dropout"):
        raise JsonError(f"{model.where}.dropout: a tokenizer that draws at random is not supported")
    if not _boolean(model, "byte_fallback"):
        raise JsonError(f"{model.where}.byte_fallback: false would lose characters; Gemma 3 has true")
    ids = _ids(_member(model, "vocab"))
    size = 1 + max([*ids.values(), *(token.id for token in added)])
    texts, kinds = [""] * size, bytearray([Kind.UNUSED]) * size
    for text, id in ids.items():
        texts[id], kinds[id] = text, Kind.NORMAL if byte_of(text) is None else Kind.BYTE
    for token in added:
        texts[token.id], kinds[token.id] = token.text, Kind.CONTROL if token.special else Kind.USER_DEFINED
    if options.get("unk_token") is not None:
        unknown = _member(model, "unk_token").text()
        if unknown not in ids:
            raise JsonError(f"{model.where}.unk_token: {shown(unknown)} is not in the vocabulary")
        kinds[ids[unknown]] = Kind.UNKNOWN
    vocabulary = Vocabulary(tuple(texts), bytes(kinds))
    vocabulary.byte_ids()
    return vocabulary


def _ids(vocab: Node) -> dict[str, int]:
    if not isinstance(vocab.value, dict) or not vocab.value:
        vocab.fail("an object of pieces and their ids")
    found: dict[str, int] = {}
    for text, id in vocab.value.items():
        if not isinstance(id, int) or isinstance(id, bool) or not 0 <= id < MAX_VOCAB:
            raise JsonError(f"{vocab.where}: {shown(text)} has {shown(id)}, not an id of 0 to {MAX_VOCAB - 1}")
        found[text] = id
    if len(set(found.values())) != len(found):
        raise JsonError(f"{vocab.where}: two pieces have the same id")
    return found


def _added(root: Node) -> list[_Added]:
    members = root.members()
    found: list[_Added] = []
    for node in members["added_tokens"].items() if "added_tokens" in members else []:
        id = _member(node, "id")
        if id.integer() >= MAX_VOCAB:
            id.fail(f"an id below {MAX_VOCAB}")
        found.append(
            _Added(node.where.lstrip("."), id.integer(), _member(node, "content").text(), _boolean(node, "special"))
        )
    return found


def _config(path: Path) -> tuple[str, bool]:
    """The begin token and whether a text gets it; Gemma's where the file is not there or does not say."""
    if not os.path.lexists(path):
        return BOS, True
    with _naming(path):
        root = parse(_read(path), "")
        members = root.members()
        bos = members.get("bos_token")
        if bos is not None and isinstance(bos.value, dict):
            bos = _member(bos, "content")
        adds = _boolean(root, "add_bos_token") if "add_bos_token" in members else True
        return (BOS if bos is None or bos.value is None else bos.text()), adds


def _member(node: Node, key: str) -> Node:
    members = node.members()
    if key not in members:
        raise JsonError(f"{node.where}: the key {key!r} is missing")
    return members[key]


def _boolean(node: Node, key: str) -> bool:
    member = _member(node, key)
    if not isinstance(member.value, bool):
        member.fail("a boolean")
    return member.value
