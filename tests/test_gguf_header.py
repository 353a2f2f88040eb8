"""The GGUF header: as llama.cpp's converter writes it, cut off, broken, and of another model."""

import dataclasses
import re
import struct
from pathlib import Path

import gguf
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernelrt.errors import InputError
from kernelrt.model import ModelSpec
from tests.fixtures.errors import one_line


def write_gguf(path: Path, model: ModelSpec, *, eps: float = 1e-6, scaling: str = "linear") -> Path:
    """A header as llama.cpp's converter writes it for Gemma 3, without tensors."""
    writer = gguf.GGUFWriter(path, "gemma3")
    writer.add_context_length(model.max_positions)
    writer.add_embedding_length(model.hidden)
    writer.add_block_count(model.layers)
    writer.add_feed_forward_length(model.ffn)
    writer.add_head_count(model.heads)
    writer.add_head_count_kv(model.kv_heads)
    writer.add_key_length(model.head_dim)
    writer.add_value_length(model.head_dim)
    writer.add_layer_norm_rms_eps(eps)
    writer.add_sliding_window(model.window)
    writer.add_rope_freq_base(model.rope_theta_global)
    if model.rope_scale_global != 1.0:
        writer.add_string("gemma3.rope.scaling.type", scaling)
        writer.add_rope_scaling_factor(model.rope_scale_global)
    tokens = ["<pad>", "<eos>", "<bos>", *(f"t{i}" for i in range(3, model.vocab))]
    tokens[106] = "<end_of_turn>"
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * len(tokens))
    writer.add_bos_token_id(model.bos_id)
    writer.add_eos_token_id(1)
    writer.add_add_bos_token(True)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    return path


@pytest.mark.parametrize("name", ["gemma27b", "gemma4b", "gemma1b"])
def test_a_gguf_header_is_the_built_in_model(tmp_path: Path, name: str) -> None:
    model = ModelSpec.load(name)
    assert ModelSpec.load(write_gguf(tmp_path / "m.gguf", model)) == model


def small() -> ModelSpec:
    return dataclasses.replace(ModelSpec.load("tiny"), name="small", query_scale_dim=32.0, max_positions=2048)


def test_a_gguf_of_another_shape_is_named_after_its_file(tmp_path: Path) -> None:
    assert ModelSpec.load(write_gguf(tmp_path / "small.gguf", small())) == small()


def test_tensors_behind_the_header_are_not_read(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "small.gguf", small())
    with path.open("ab") as file:
        file.truncate(path.stat().st_size + (15 << 30))  # sparse: 15 GB that would take a while
    assert ModelSpec.load(path) == small()


def test_a_header_cut_off_anywhere_is_one_clear_error(tmp_path: Path) -> None:
    whole = write_gguf(tmp_path / "small.gguf", small()).read_bytes()
    path = tmp_path / "cut.gguf"
    for size in [*range(64), *range(64, len(whole), 97), len(whole) - 1]:
        path.write_bytes(whole[:size])
        with pytest.raises(InputError) as error:
            ModelSpec.load(path)
        one_line(error, f"{path}: not a usable GGUF header")


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_flipped_byte_ends_in_another_error(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "small.gguf"
    if not path.exists():
        write_gguf(path, small())
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, min(len(content), 1500) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(content)
    try:
        ModelSpec.load(broken)
    except InputError as error:
        assert str(broken) in str(error)  # noqa: PT017  # a flipped byte of a value may give another valid model


def header(*pairs: tuple[str, int, bytes], version: int = 3, magic: bytes = b"GGUF") -> bytes:
    body = b"".join(struct.pack("<Q", len(k)) + k.encode() + struct.pack("<I", t) + v for k, t, v in pairs)
    return magic + struct.pack("<IQQ", version, 0, len(pairs)) + body


def string(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (header(magic=b"GGML"), "begins with b'GGML'"),
        (header(version=1), "version 1 is not supported"),
        (header(("x", 99, b"")), "unknown type 99"),
        (header(("x", 8, struct.pack("<Q", 1 << 60))), "not plausible"),
        (header(("x", 9, struct.pack("<IQ", 4, 1 << 60))), "not plausible"),
        (header(("general.architecture", 8, string("llama"))), "general.architecture: 'llama' is not supported"),
        (header(), "general.architecture: None is not supported"),
        (header(("general.architecture", 8, string("gemma3"))), "gemma3.embedding_length: missing"),
    ],
)
def test_a_wrong_gguf_is_refused_by_file_and_key(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        ModelSpec.load(path)
    one_line(error, str(path), said)


def test_a_gguf_with_impossible_heads_names_its_own_key(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "m.gguf", small())
    content = path.read_bytes()
    key = b"gemma3.attention.head_count_kv" + struct.pack("<I", 4)
    assert content.count(key + struct.pack("<I", 2)) == 1
    path.write_bytes(content.replace(key + struct.pack("<I", 2), key + struct.pack("<I", 3)))
    with pytest.raises(InputError) as error:
        ModelSpec.load(path)
    one_line(error, f"{path}: gemma3.attention.head_count_kv: 4 query heads are not divisible by 3 kv heads")


def test_a_gguf_of_too_many_layers_names_its_own_key(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "m.gguf", dataclasses.replace(small(), layers=1024))
    key = b"gemma3.block_count" + struct.pack("<I", 4)
    content = path.read_bytes()
    assert content.count(key + struct.pack("<I", 1024)) == 1
    path.write_bytes(content.replace(key + struct.pack("<I", 1024), key + struct.pack("<I", 1025)))
    with pytest.raises(InputError) as error:
        ModelSpec.load(path)
    one_line(error, f"{path}: gemma3.block_count: must be at most 1024, is 1025")


def test_unknown_rope_scaling_in_a_gguf_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=re.escape("gemma3.rope.scaling.type: 'yarn' is not supported")):
        ModelSpec.load(write_gguf(tmp_path / "m.gguf", small(), scaling="yarn"))
