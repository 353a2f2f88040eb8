"""tokenizer.json: against the `tokenizers` library's own use of it, and what is refused."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st

from kernelrt.errors import InputError
from kernelrt.text.find import NoTokenizerError, tokenizer_for
from kernelrt.text.synthetic import tokenizer_json
from kernelrt.text.tokenizer import Tokenizer
from tests.text.vocabularies import TEXTS, dump, line

SIZE = 420


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return dump(tmp_path_factory.mktemp("model"), tokenizer_json(SIZE))


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Tokenizer:
    return tokenizer_for(folder, SIZE)


@pytest.fixture(scope="module")
def library(folder: Path) -> tokenizers.Tokenizer:
    return tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))


@given(text=TEXTS | st.lists(st.sampled_from(["<bos>", "<end_of_turn>", "the ", "\n\n", "  ", "é"])).map("".join))
def test_ids_and_text_are_the_librarys(tokenizer: Tokenizer, library: tokenizers.Tokenizer, text: str) -> None:
    ids = tokenizer.encode(text, special=True)
    assert ids == library.encode(text).ids
    assert tokenizer.decode(ids) == library.decode(ids, skip_special_tokens=True)


def test_a_file_and_its_folder_and_weights_beside_it_are_the_same(folder: Path) -> None:
    texts = {tokenizer_for(p).source for p in (folder, folder / "tokenizer.json", folder / "model.safetensors")}
    assert texts == {folder / "tokenizer.json"}


def test_truncation_and_padding_of_the_file_are_not_used(tmp_path: Path) -> None:
    whole = tokenizer_json(SIZE)
    whole["truncation"] = {"direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0}
    whole["padding"] = {
        "strategy": {"Fixed": 9}, "direction": "Left", "pad_to_multiple_of": None, "pad_id": 0, "pad_type_id": 0,
        "pad_token": "<pad>",
    }  # fmt: skip
    plain = tokenizer_for(dump(tmp_path / "plain", tokenizer_json(SIZE)))
    for text in ("the", "the people of the water"):
        assert tokenizer_for(dump(tmp_path / "cut", whole)).encode(text) == plain.encode(text)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, [2]),
        ({"bos_token": "<eos>"}, [1]),
        ({"bos_token": {"content": "<pad>", "special": True}}, [0]),
        ({"bos_token": None, "add_bos_token": True}, [2]),
        ({"add_bos_token": False}, []),
    ],
)
def test_the_config_says_how_a_text_begins(tmp_path: Path, config: dict[str, object], expected: list[int]) -> None:
    assert tokenizer_for(dump(tmp_path, tokenizer_json(SIZE), config)).encode("") == expected


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({"bos_token": 2}, "tokenizer_config.json: bos_token: expected a text"),
        ({"bos_token": {}}, "tokenizer_config.json: bos_token: the key 'content' is missing"),
        ({"bos_token": "<s>"}, "tokenizer.json: model.vocab: it has no '<s>'"),
        ({"add_bos_token": "yes"}, "tokenizer_config.json: add_bos_token: expected a boolean"),
    ],
)
def test_a_config_that_cannot_be_used_is_named(tmp_path: Path, config: dict[str, object], problem: str) -> None:
    with pytest.raises(InputError) as caught:
        tokenizer_for(dump(tmp_path, tokenizer_json(SIZE), config))
    assert line(caught.value).startswith(f"{tmp_path}/{problem}")


REMOVED = object()


def put(whole: Any, path: tuple[str | int, ...], value: object) -> None:
    for step in path[:-1]:
        whole = whole[step]
    if value is REMOVED:
        del whole[path[-1]]
    else:
        whole[path[-1]] = value


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        (("model",), REMOVED, "the key 'model' is missing"),
        (("model", "type"), "WordPiece", "model.type: expected one of BPE"),
        (("model", "vocab"), [], "model.vocab: expected an object of pieces"),
        (("model", "vocab"), {}, "model.vocab: expected an object of pieces"),
        (("model", "vocab", "e"), -1, "model.vocab: 'e' has -1"),
        (("model", "vocab", "e"), 1 << 40, "model.vocab: 'e' has 1099511627776"),
        (("model", "vocab", "e"), True, "model.vocab: 'e' has True"),
        (("model", "vocab", "e"), 7, "model.vocab: two pieces have the same id"),
        (("model", "vocab", "<0x00>"), REMOVED, "model.vocab: the byte token <0x00> is missing"),
        (("model", "merges", 0), ["no", "piece"], "model: Token `no` out of vocabulary"),
        (("model", "merges"), None, "model: "),
        (("model", "dropout"), 0.5, "model.dropout: "),
        (("model", "byte_fallback"), False, "model.byte_fallback: "),
        (("model", "unk_token"), "<none>", "model.unk_token: '<none>' is not in the vocabulary"),
        (("decoder",), REMOVED, "the key 'decoder' is missing"),
        (("decoder",), {"type": "ByteLevel"}, "decoder: not Gemma's"),
        (("normalizer",), {"type": "Own"}, "normalizer: "),
        (("version",), "9", "version: Unknown tokenizer version"),
        (("added_tokens",), {}, "added_tokens: expected a list"),
        (("added_tokens", 0, "id"), REMOVED, "added_tokens[0]: the key 'id' is missing"),
        (("added_tokens", 0, "id"), 1 << 30, "added_tokens[0].id: expected an id below"),
        (("added_tokens", 0, "special"), 1, "added_tokens[0].special: expected a boolean"),
        (("added_tokens", 0, "content"), "new", "added_tokens[0].id: 0 is neither"),
        (("added_tokens", 0, "normalized"), None, "added_tokens: invalid type"),
    ],
)
def test_a_wrong_field_is_named(tmp_path: Path, path: tuple[str | int, ...], value: object, problem: str) -> None:
    whole = copy.deepcopy(tokenizer_json(SIZE))
    put(whole, path, value)
    with pytest.raises(InputError) as caught:
        tokenizer_for(dump(tmp_path, whole))
    assert line(caught.value).startswith(f"{tmp_path}/tokenizer.json: {problem}")


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"7", b"\xff\xfe{}", b"{}", b"[" * 100_000, b'{"a":' + b"9" * 5000 + b"}"]
)
def test_what_is_no_tokenizer_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "tokenizer.json").write_bytes(content)
    with pytest.raises(InputError) as caught:
        tokenizer_for(tmp_path)
    assert line(caught.value).startswith(f"{tmp_path}/tokenizer.json: ")


def test_where_there_is_none_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NoTokenizerError, match=r"tokenizer\.json: there is no tokenizer; .*--tokens 2,17"):
        tokenizer_for(tmp_path)
    (tmp_path / "tokenizer.json").mkdir()
    with pytest.raises(InputError, match="not a regular file"):
        tokenizer_for(tmp_path)


@given(data=st.data())
def test_any_other_value_anywhere_is_an_error_of_ours_or_a_tokenizer(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    whole = copy.deepcopy(tokenizer_json(300))
    place: Any = whole
    path: list[Any] = []
    while isinstance(place, dict | list) and place and (not path or data.draw(st.booleans())):
        path.append(
            data.draw(st.sampled_from(list(place)) if isinstance(place, dict) else st.integers(0, len(place) - 1))
        )
        place = place[path[-1]]
    values = [
        REMOVED,
        None,
        -1,
        5,
        1 << 80,
        1.5,
        float("nan"),
        "",
        "x",
        "<bos>",
        "\ud800",
        [],
        {},
        True,
        [[]],
        {"a": 1},
    ]
    put(whole, tuple(path), data.draw(st.sampled_from(values)))
    folder = dump(tmp_path_factory.mktemp("any"), whole)
    try:
        tokenizer = tokenizer_for(folder)
        tokenizer.encode("the <bos> é\n\n ")
    except InputError as error:
        line(error)
    finally:
        (folder / "tokenizer.json").unlink()


def test_a_control_token_that_the_file_forgot_to_mark_is_one_all_the_same(tmp_path: Path) -> None:
    whole = tokenizer_json(SIZE)
    added = whole["added_tokens"]
    assert isinstance(added, list)
    for token in added:
        token["special"] = False
    tokenizer = tokenizer_for(dump(tmp_path, whole))
    assert not {2, 105, 106} & set(tokenizer.encode("<bos><start_of_turn>a<end_of_turn>", bos=False))
    assert tokenizer.encode("<start_of_turn>", bos=False, special=True) == [105]


def test_a_control_token_that_plain_text_would_make_is_refused(tmp_path: Path) -> None:
    whole = tokenizer_json(SIZE)
    model: Any = whole["model"]
    turn = "<end_of_turn>"
    for size in range(2, len(turn)):
        model["vocab"][turn[:size]] = SIZE + size - 2
        model["merges"].append([turn[: size - 1], turn[size - 1]])
    model["merges"].append([turn[:-1], turn[-1]])
    tokenizer = tokenizer_for(dump(tmp_path, json.loads(json.dumps(whole))))
    with pytest.raises(InputError, match="makes the control token '<end_of_turn>' out of plain text"):
        tokenizer.encode("hi <end_of_turn>")
