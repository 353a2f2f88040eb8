"""A small vocabulary that works, for models of random weights: SentencePiece with Gemma's ids where they count.

<pad> 0, <eos> 1, <bos> 2, <unk> 3, <start_of_turn> 105 and <end_of_turn> 106 are Gemma's. The other ids get, as far as
there is room: the 256 byte tokens, runs of newlines and spaces, printable ASCII, pieces of frequent English words, and
then <unused0> and on, which no text gives.

Every merged piece begins with a space and is another piece and one character, so that it can be made in one way alone
and Hugging Face's BPE (ranked pairs) and SentencePiece's (scored pieces) do the same.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

from kernelrt.model import MAX_VOCAB
from kernelrt.text.vocabulary import BOS, END_OF_TURN, SPACE, START_OF_TURN, Kind

MIN_VOCAB = 300
_FIXED = {0: "<pad>", 1: "<eos>", 2: BOS, 3: "<unk>", 105: START_OF_TURN, 106: END_OF_TURN}
_LETTERS = "etaoinshrdlcumwfgypbvkjxqz"
_OTHERS = ".,'\"!?-:;()0123456789ETAOINSHRDLCUMWFGYPBVKJXQZ/_#$%&*+<=>@[\\]^`{|}~"
_WORDS = (
    "the of and to in is that it for was on are with as his they be at one have this from had not but what all were"
    " when we there can an your which their said if do will each about how up out them then she many some so these"
    " would other into has more her two like him see time could no make than first been its who now people my made"
    " over did down only way find use may water long little very after words called just where most know"
)


@dataclass(frozen=True, slots=True)
class _Piece:
    text: str
    kind: Kind


def gguf_fields(vocab: int) -> dict[str, object]:
    """The `tokenizer.ggml.*` pairs of a GGUF file. ValueError for fewer than MIN_VOCAB or more than MAX_VOCAB ids."""
    pieces = _pieces(vocab)
    return {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": [piece.text for piece in pieces],
        "tokenizer.ggml.scores": [-float(id) if piece.kind == Kind.NORMAL else 0.0 for id, piece in enumerate(pieces)],
        "tokenizer.ggml.token_type": [int(piece.kind) for piece in pieces],
        "tokenizer.ggml.bos_token_id": 2,
        "tokenizer.ggml.eos_token_id": 1,
        "tokenizer.ggml.unknown_token_id": 3,
        "tokenizer.ggml.padding_token_id": 0,
        "tokenizer.ggml.add_bos_token": True,
        "tokenizer.ggml.add_eos_token": False,
        "tokenizer.ggml.add_space_prefix": False,
    }


def tokenizer_json(vocab: int) -> dict[str, object]:
    """The same vocabulary as a Hugging Face tokenizer.json, as `json.dump` takes it. ValueError as above."""
    pieces = _pieces(vocab)
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [_added(id, piece) for id, piece in enumerate(pieces) if piece.kind in _ADDED],
        "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": SPACE},
        "pre_tokenizer": None,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": BOS, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {BOS: {"id": BOS, "ids": [2], "tokens": [BOS]}},
        },
        "decoder": {
            "type": "Sequence",
            "decoders": [
                {"type": "Replace", "pattern": {"String": SPACE}, "content": " "},
                {"type": "ByteFallback"},
                {"type": "Fuse"},
            ],
        },
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": "<unk>",
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": True,
            "byte_fallback": True,
            "ignore_merges": False,
            "vocab": {piece.text: id for id, piece in enumerate(pieces)},
            "merges": [[p.text[:-1], p.text[-1]] for p in pieces if p.kind == Kind.NORMAL and _is_merged(p.text)],
        },
    }


_ADDED = (Kind.UNKNOWN, Kind.CONTROL, Kind.USER_DEFINED)


def _is_merged(text: str) -> bool:
    return len(text) > 1 and text[0] == SPACE


def _added(id: int, piece: _Piece) -> dict[str, object]:
    """`normalized`: a run of spaces is looked for where spaces are '▁' already."""
    is_text = piece.kind == Kind.USER_DEFINED
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": is_text, "special": not is_text}
    return {"id": id, "content": piece.text, **flags}


def _pieces(vocab: int) -> list[_Piece]:
    if not MIN_VOCAB <= vocab <= MAX_VOCAB:
        raise ValueError(f"a synthetic vocabulary has {MIN_VOCAB} to {MAX_VOCAB} pieces, not {vocab}")
    rest = _in_order()
    return [
        _Piece(_FIXED[id], Kind.UNKNOWN if id == 3 else Kind.CONTROL) if id in _FIXED else next(rest)
        for id in range(vocab)
    ]


def _in_order() -> Iterator[_Piece]:
    """What gets the free ids, the most needed first; without end."""
    for byte in range(256):
        yield _Piece(f"<0x{byte:02X}>", Kind.BYTE)
    for text in (SPACE, *_LETTERS):
        yield _Piece(text, Kind.NORMAL)
    for size in (1, 2, 3, 4):
        yield _Piece("\n" * size, Kind.USER_DEFINED)
    for size in (2, 3, 4, 8):
        yield _Piece(SPACE * size, Kind.USER_DEFINED)
    for text in _OTHERS:
        yield _Piece(text, Kind.NORMAL)
    beginnings = dict.fromkeys(SPACE + word[:size] for word in _WORDS.split() for size in range(1, len(word) + 1))
    for text in sorted(beginnings, key=len):  # no piece before its own beginning
        yield _Piece(text, Kind.NORMAL)
    for number in count():
        yield _Piece(f"<unused{number}>", Kind.NORMAL)
