"""What both kinds of tokenizer promise."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelrt.errors import InputError
from kernelrt.text import gguf_fields as from_gguf
from kernelrt.text.find import tokenizer_for
from kernelrt.text.ids import parse_ids
from kernelrt.text.synthetic import gguf_fields, tokenizer_json
from kernelrt.text.tokenizer import Tokenizer
from tests.text.vocabularies import TEXTS, dump, line

SIZE = 640
BOS, START, END = 2, 105, 106


@pytest.fixture(scope="module", params=["json", "gguf"])
def tokenizer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    if request.param == "json":
        return tokenizer_for(dump(tmp_path_factory.mktemp("model"), tokenizer_json(SIZE)))
    return from_gguf.tokenizer(gguf_fields(SIZE), Path("model.gguf"))


def test_the_begin_token_is_put_in_front_unless_not_wanted(tokenizer: Tokenizer) -> None:
    assert tokenizer.encode("") == [BOS] == [tokenizer.bos_id]
    assert tokenizer.encode("", bos=False) == []
    assert tokenizer.encode("a") == [BOS, *tokenizer.encode("a", bos=False)]


def test_control_tokens_are_read_only_where_asked_for(tokenizer: Tokenizer) -> None:
    text = "a<end_of_turn>\n<start_of_turn>model\n<bos><unk>"
    plain = tokenizer.encode(text, bos=False)
    assert not {BOS, START, END, 3} & set(plain)
    assert tokenizer.decode(plain) == text
    special = tokenizer.encode(text, bos=False, special=True)
    assert [id for id in special if id in (BOS, START, END, 3)] == [END, START, BOS, 3]
    assert tokenizer.decode(special) == "a\nmodel\n"
    assert tokenizer.encode(text, bos=False) == plain  # and the one has left no trace in the other


@given(text=TEXTS)
def test_decoding_gives_the_text_back(tokenizer: Tokenizer, text: str) -> None:
    assert tokenizer.decode(tokenizer.encode(text)) == text.replace("▁", " ")


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("the people", ["t", "h", "e", "▁people"]),
        (" the  the", ["▁the", "▁▁", "t", "h", "e"]),
        ("\n\n\n\n\n", ["\n\n\n\n", "\n"]),
        ("é", ["<0xC3>", "<0xA9>"]),
        ("<0x41>", ["<", "0", "x", "4", "1", ">"]),
        ("<unused1>", ["<", "u", "n", "u", "s", "e", "d", "1", ">"]),
    ],
)
def test_texts_are_cut_into_these_pieces(tokenizer: Tokenizer, text: str, pieces: list[str]) -> None:
    assert [tokenizer.vocabulary.texts[id] for id in tokenizer.encode(text, bos=False)] == pieces


def test_a_piece_is_what_it_writes(tokenizer: Tokenizer) -> None:
    assert [tokenizer.piece(id) for id in (0, BOS, 3, START)] == [b"", b"", b"", b""]
    expected = {"<0xC3>": b"\xc3", "▁the": b" the", "▁▁": b"  ", "\n": b"\n"}
    for text, written in expected.items():
        id = tokenizer.id(text)
        assert id is not None
        assert tokenizer.piece(id) == written
    assert tokenizer.id("<start_of_turn>") == START
    assert tokenizer.id("no such piece") is None


@pytest.mark.parametrize("id", [-1, SIZE, 1 << 40])
def test_an_unknown_id_is_named(tokenizer: Tokenizer, id: int) -> None:
    for call in (tokenizer.piece, lambda id: tokenizer.decode([BOS, id])):
        with pytest.raises(InputError, match=rf"^unknown token id {id}: the vocabulary has 640 \(0 to 639\)$"):
            call(id)


def test_ids_that_only_the_model_has_write_nothing(tokenizer: Tokenizer) -> None:
    fitted = tokenizer.for_model(SIZE + 64)
    assert fitted.vocab_size == SIZE + 64
    assert fitted.decode([*fitted.encode("the"), SIZE, SIZE + 63]) == "the"
    with pytest.raises(InputError, match=f"unknown token id {SIZE + 64}"):
        fitted.piece(SIZE + 64)
    assert fitted.encode("the") == tokenizer.encode("the")


def test_a_tokenizer_of_a_larger_vocabulary_is_refused(tokenizer: Tokenizer) -> None:
    with pytest.raises(InputError) as caught:
        tokenizer.for_model(SIZE - 1)
    assert f"{tokenizer.source}: the tokenizer has 640 tokens and the model only 639" in line(caught.value)


def test_a_control_token_that_the_model_lacks_is_no_obstacle_until_it_is_used(tmp_path: Path) -> None:
    """As the image token 262144 of Gemma's tokenizer.json, for a text model of 262144 ids."""
    whole = tokenizer_json(SIZE)
    added = whole["added_tokens"]
    assert isinstance(added, list)
    added.append({**added[0], "id": SIZE, "content": "<image_soft_token>"})
    tokenizer = tokenizer_for(dump(tmp_path, whole), SIZE)
    assert tokenizer.id("<image_soft_token>") is None
    assert tokenizer.decode(tokenizer.encode("<image_soft_token>")) == "<image_soft_token>"
    with pytest.raises(InputError, match=r"the model has no token '<image_soft_token>' \(id 640 of 640\)"):
        tokenizer.encode("<image_soft_token>", special=True)


def test_what_is_not_unicode_is_refused(tokenizer: Tokenizer) -> None:
    text = b"ab\xff".decode("utf-8", "surrogateescape")  # as Python reads an argument that is not UTF-8
    with pytest.raises(InputError, match=r"not valid Unicode at character 2 \(U\+DCFF\)"):
        tokenizer.encode(text)


def test_a_long_text_is_encoded_whole(tokenizer: Tokenizer) -> None:
    text = "the people of the water, 🙂 and\n\n" * 3500
    assert len(text) > 100_000
    ids = tokenizer.encode(text)
    assert len(ids) < len(text) / 2
    assert tokenizer.decode(ids) == text
    for one in ("  ", "x", "\n", "漢"):
        assert tokenizer.decode(tokenizer.encode(one * 50_000)) == one * 50_000


@given(ids=st.lists(st.integers(0, 99), min_size=1), spaces=st.sampled_from(["", " ", "\t"]))
def test_written_ids_are_read(ids: list[int], spaces: str) -> None:
    assert parse_ids(f"{spaces},{spaces}".join(map(str, ids)) + spaces, 100) == ids


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "--tokens: empty; expected token ids like 2,17,42"),
        (" ", "--tokens: empty; expected token ids like 2,17,42"),
        ("2,x", "--tokens: item 2, 'x', is not a token id"),
        ("2,,3", "--tokens: item 2, '', is not a token id"),
        ("2,", "--tokens: item 2, '', is not a token id"),
        ("2 3", "--tokens: item 1, '2 3', is not a token id"),
        ("-1", "--tokens: item 1, '-1', is not a token id"),
        ("1_0", "--tokens: item 1, '1_0', is not a token id"),
        ("٣", "--tokens: item 1, '٣', is not a token id"),
        ("9" * 5000, "--tokens: item 1, '99999"),
        ("2,100", "--tokens: unknown token id 100 (item 2): the vocabulary is 0 to 99"),
    ],
)
def test_a_list_of_ids_that_is_none_is_named(text: str, problem: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_ids(text, 100)
    assert line(caught.value).startswith(problem)
