"""The tokenizer within a GGUF file: what is refused, and how it is named."""

from pathlib import Path

import gguf
import pytest

from kernelrt.errors import InputError
from kernelrt.text import gguf_fields
from kernelrt.text.find import NoTokenizerError, tokenizer_for
from kernelrt.text.synthetic import gguf_fields as synthetic
from tests.text.vocabularies import line

KEY = "tokenizer.ggml."
SIZE = 320


def changed(key: str, value: object) -> dict[str, object]:
    fields = synthetic(SIZE)
    fields[f"{KEY}{key}"] = value
    return fields


def listed(key: str, place: int, value: object) -> list[object]:
    items = synthetic(SIZE)[f"{KEY}{key}"]
    assert isinstance(items, list)
    return [*items[:place], value, *items[place + 1 :]]


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("model", "gpt2", "'gpt2' is not supported; expected 'llama'"),
        ("model", 3, "3 is not supported"),
        ("tokens", "abc", "expected an array"),
        ("tokens", [], "0 pieces"),
        ("tokens", listed("tokens", 7, 7), "piece 7 is an integer, not a string"),
        ("tokens", listed("tokens", 4, "byte"), "the byte token 4 is 'byte'"),
        ("tokens", listed("tokens", 4, "<0x41>"), "the byte token <0x00> is missing"),
        ("tokens", listed("tokens", 3, ""), "the UNKNOWN token 3 has no text"),
        ("token_type", [1], "has 1 elements for 320 tokens"),
        ("token_type", listed("token_type", 300, 7), "piece 300 has the unknown type 7"),
        ("token_type", listed("token_type", 300, True), "piece 300 has the unknown type True"),
        ("scores", [0.0] * 321, "has 321 elements for 320 tokens"),
        ("scores", listed("scores", 9, float("nan")), "piece 9 has nan, not a finite number"),
        ("scores", listed("scores", 9, None), "piece 9 has None"),
        ("bos_token_id", 320, "320 is not one of the 320 token ids"),
        ("bos_token_id", "2", "'2' is not one of"),
        ("add_bos_token", 1, "expected a boolean"),
        ("add_space_prefix", True, "Gemma 3 has no dummy prefix"),
    ],
)
def test_what_cannot_be_used_is_named(key: str, value: object, problem: str) -> None:
    fields = changed(key, value)
    if key == "tokens" and value == []:
        fields |= {f"{KEY}token_type": [], f"{KEY}scores": []}
    with pytest.raises(InputError) as caught:
        gguf_fields.tokenizer(fields, Path("a/model.gguf"))
    assert line(caught.value).startswith(f"a/model.gguf: {KEY}{key}: ")
    assert problem in str(caught.value)


@pytest.mark.parametrize("key", ["model", "tokens", "scores", "token_type"])
def test_what_is_missing_is_named(key: str) -> None:
    fields = synthetic(SIZE)
    del fields[f"{KEY}{key}"]
    with pytest.raises(InputError, match=rf"^m: tokenizer\.ggml\.{key}: missing"):
        gguf_fields.tokenizer(fields, Path("m"))


def test_a_file_without_a_say_begins_a_text_as_gemma_does() -> None:
    fields = synthetic(SIZE)
    for key in ("bos_token_id", "add_bos_token", "add_space_prefix"):
        del fields[f"{KEY}{key}"]
    assert gguf_fields.tokenizer(fields, Path("m")).encode("") == [2]
    assert gguf_fields.tokenizer(changed("add_bos_token", False), Path("m")).encode("") == []


def write(path: Path, fields: dict[str, object]) -> Path:
    """A GGUF file of no tensors with these pairs, by the `gguf` package."""
    writer = gguf.GGUFWriter(path, "gemma3")
    for key, value in fields.items():
        if isinstance(value, bool):
            writer.add_bool(key, value)
        elif isinstance(value, int):
            writer.add_uint32(key, value)
        elif isinstance(value, str):
            writer.add_string(key, value)
        else:
            assert isinstance(value, list)
            writer.add_array(key, value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    return path


def test_the_tokenizer_of_a_file_is_that_of_its_fields(tmp_path: Path) -> None:
    path = write(tmp_path / "model.gguf", synthetic(700))
    tokenizer = tokenizer_for(path, vocab=704)
    fields = gguf_fields.tokenizer(synthetic(700), path)
    text = "the  people were\n\nthere 🙂 <bos>"
    assert tokenizer.encode(text) == fields.encode(text)
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert (tokenizer.vocab_size, fields.vocab_size) == (704, 700)


def test_a_file_without_a_tokenizer_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NoTokenizerError, match="--tokens 2,17"):
        tokenizer_for(write(tmp_path / "model.gguf", {"general.name": "bare"}))
