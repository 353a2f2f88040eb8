"""The synthetic vocabulary: of every size, in both forms the same, and as fast as a real one must be."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelrt.text import gguf_fields as from_gguf
from kernelrt.text import synthetic
from kernelrt.text.find import tokenizer_for
from kernelrt.text.tokenizer import Tokenizer
from tests.text.vocabularies import TEXTS, dump

SIZES = (300, 512, 700, 2000)
WORDS = st.lists(
    st.sampled_from([" the", " people", "  ", "\n\n\n", "theirs", " there", "<bos>", "<unused0>", "▁", "é"])
)


@pytest.fixture(scope="module", params=SIZES)
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Tokenizer, Tokenizer]:
    size: int = request.param
    folder = dump(tmp_path_factory.mktemp("model"), synthetic.tokenizer_json(size))
    return tokenizer_for(folder, size), from_gguf.tokenizer(synthetic.gguf_fields(size), Path("m")).for_model(size)


@given(text=TEXTS | WORDS.map("".join), special=st.booleans())
def test_both_forms_give_the_same_ids(both: tuple[Tokenizer, Tokenizer], text: str, special: bool) -> None:
    first, second = (tokenizer.encode(text, special=special) for tokenizer in both)
    assert first == second


def test_both_forms_have_the_same_pieces_and_gemmas_ids(both: tuple[Tokenizer, Tokenizer]) -> None:
    first, second = both
    assert first.vocabulary == second.vocabulary
    expected = {"<pad>": 0, "<eos>": 1, "<bos>": 2, "<unk>": 3, "<start_of_turn>": 105, "<end_of_turn>": 106}
    assert {text: first.id(text) for text in expected} == expected
    assert len(first.vocabulary) == first.vocab_size in SIZES
    assert len(set(first.vocabulary.texts)) == first.vocab_size


def test_a_larger_vocabulary_has_the_smaller_ones_pieces() -> None:
    for form in ("tokens", "token_type", "scores"):
        small, large = (synthetic.gguf_fields(size)[f"tokenizer.ggml.{form}"] for size in (300, 2000))
        assert isinstance(large, list)
        assert large[:300] == small


def test_printable_ascii_needs_no_bytes() -> None:
    tokenizer = from_gguf.tokenizer(synthetic.gguf_fields(512), Path("m"))
    text = "".join(map(chr, range(32, 127)))
    assert not {tokenizer.vocabulary.kinds[id] for id in tokenizer.encode(text, bos=False)} & {6}


def test_every_merged_piece_is_reached_and_no_unused_one() -> None:
    tokenizer = from_gguf.tokenizer(synthetic.gguf_fields(2000), Path("m"))
    for id, text in enumerate(tokenizer.vocabulary.texts):
        if text[0] == "▁" or (text[0] == "<" and text[-1] == ">"):
            written = tokenizer.encode(text.replace("▁", " "), bos=False)
            assert (written == [id]) == (text[0] == "▁"), text


@pytest.mark.parametrize("size", [-1, 0, 299, (1 << 22) + 1])
def test_other_sizes_are_refused(size: int) -> None:
    for form in (synthetic.tokenizer_json, synthetic.gguf_fields):
        with pytest.raises(ValueError, match=f"300 to 4194304 pieces, not {size}"):
            form(size)


def test_a_vocabulary_of_gemmas_size_whose_pieces_are_all_merges() -> None:
    """262144 pieces, all made of others in many ways: no list of merges is made, which would be millions."""
    fields: dict[str, Any] = synthetic.gguf_fields(300)
    texts: list[str] = list(fields["tokenizer.ggml.tokens"])
    taken = set(texts)
    letters = "etaoinsh"
    level = list(letters)
    while len(texts) < 262144:
        level = [text + letter for text in level for letter in letters]
        texts += [text for text in level if text not in taken][: 262144 - len(texts)]
    fields["tokenizer.ggml.tokens"] = texts
    fields["tokenizer.ggml.token_type"] += [1] * (262144 - 300)
    fields["tokenizer.ggml.scores"] += [-float(i) for i in range(262144 - 300)]
    tokenizer = from_gguf.tokenizer(fields, Path("m")).for_model(262208)
    text = "".join(letters[i * i * 7 % 11 % 8] + " " * (i % 5 == 0) for i in range(80_000))
    ids = tokenizer.encode(text)
    assert len(ids) < len(text) / 2
    assert tokenizer.decode(ids) == text


def test_the_json_form_is_json(tmp_path: Path) -> None:
    whole = synthetic.tokenizer_json(300)
    assert json.loads(json.dumps(whole, allow_nan=False)) == whole
