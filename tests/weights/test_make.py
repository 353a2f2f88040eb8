"""Weights files that we write: the same numbers in every format, read by the `gguf` package, whole or not there."""

import dataclasses
import hashlib
import json
import os
from pathlib import Path

import gguf
import numpy as np
import pytest
from gguf.quants import dequantize

from kernelrt.errors import FileError, InputError
from kernelrt.gpu.device import Device
from kernelrt.model import ModelSpec
from kernelrt.text.find import tokenizer_for
from kernelrt.weights.make import make_weights
from kernelrt.weights.names import gguf_name, role_of_hf
from kernelrt.weights.slots import Formats
from kernelrt.weights.source import open_checkpoint
from tests.fixtures.errors import one_line
from tests.fixtures.weights import contents, destination, expected, largest_file, silent

MODEL = ModelSpec.load("tiny")
LARGE = dataclasses.replace(MODEL, name="large", hidden=256, layers=2, vocab=300, rope_scale_global=1.0)
TIGHT = ("bf16", "f16", "f32")


def values(folder: Path) -> dict[str, np.ndarray]:
    """A folder's tensors, in float32."""
    found: dict[str, np.ndarray] = {}
    for path in sorted(folder.glob("*.safetensors")):
        content = path.read_bytes()
        begin = 8 + int.from_bytes(content[:8], "little")
        for name, entry in json.loads(content[8:begin]).items():
            if name != "__metadata__":
                start, end = entry["data_offsets"]
                raw = np.frombuffer(content[begin + start : begin + end], np.uint8)
                found[name] = floats(raw, entry["dtype"]).reshape(entry["shape"])
    return found


def floats(raw: np.ndarray, dtype: str) -> np.ndarray:
    if dtype == "BF16":
        return (raw.view(np.uint16).astype(np.uint32) << 16).view(np.float32)
    return raw.view({"F16": np.float16, "F32": np.float32}[dtype]).astype(np.float32)


@pytest.mark.parametrize("format", TIGHT)
@pytest.mark.parametrize("shard_bytes", [1 << 30, 200_000])
def test_a_folder_is_the_models_and_loads(device: Device, tmp_path: Path, format: str, shard_bytes: int) -> None:
    folder = tmp_path / "w"
    make_weights(MODEL, folder, 7, format, shard_bytes=shard_bytes)
    assert ModelSpec.load(folder) == MODEL
    assert (len(list(folder.glob("*.safetensors"))) > 1) == (shard_bytes == 200_000)
    formats = Formats("q8_0", "q8_0")
    with open_checkpoint(folder, "off") as checkpoint, destination(device, MODEL, formats) as target:
        checkpoint.check(MODEL, formats)
        checkpoint.load(target, silent)
        assert contents(target) == expected(values(folder), MODEL, formats)
    assert tokenizer_for(folder).vocab_size == MODEL.vocab


def test_a_seed_gives_the_same_weights_in_every_format(tmp_path: Path) -> None:
    for i, format in enumerate(TIGHT):
        make_weights(MODEL, tmp_path / format, 7, format, shard_bytes=(1 << 30, 200_000)[i % 2])
    right = values(tmp_path / "f32")
    for format, allowed in (("bf16", 0), ("f16", 2**-25)):  # the smallest are no whole subnormal halves
        for name, w in values(tmp_path / format).items():
            assert np.abs(w - right[name]).max() <= allowed
    make_weights(MODEL, tmp_path / "other", 8, "f32")
    other = values(tmp_path / "other")
    assert all((w != right[name]).mean() > 0.9 for name, w in other.items())
    digest = hashlib.sha256(b"".join(right[name].tobytes() for name in sorted(right))).hexdigest()
    assert digest == "369ea804c28bf2ab694f6dafa68a3a143c6e85f369e230be04fa89f4c64abc13"


def test_numbers_are_well_scaled(tmp_path: Path) -> None:
    make_weights(MODEL, tmp_path / "w", 7)
    for name, w in values(tmp_path / "w").items():
        width = 100 if w.ndim == 1 else w.shape[1]
        slack = 5 * w.size**-0.5  # five standard deviations of either estimate
        assert abs(w.std() * width**0.5 - 1) < slack, name
        assert abs(w.mean() * width**0.5) < slack, name
        assert np.abs(w).max() * width**0.5 < 3.6  # four bytes reach no further


@pytest.mark.parametrize(
    ("format", "embedding"),
    [*((name, "") for name in ("q4_0", "q8_0", "f16", "bf16", "f32")), ("q4_0", "q6_k"), ("q4_0", "f16")],
)
def test_a_gguf_is_read_by_the_package(tmp_path: Path, format: str, embedding: str) -> None:
    make_weights(LARGE, tmp_path / "w", 7, "f32")
    path = tmp_path / "w.gguf"
    make_weights(LARGE, path, 7, format, embedding)
    assert ModelSpec.load(path) == dataclasses.replace(LARGE, name="w")
    with open_checkpoint(path) as checkpoint:
        checkpoint.check(
            LARGE,
            Formats(
                format if format in ("q4_0", "q8_0") else "f16",
                embedding or "f16" if format not in ("q4_0", "q8_0") else embedding or format,
            ),
        )
    read = {tensor.name: tensor for tensor in gguf.GGUFReader(path).tensors}
    right = {gguf_name(role): w for name, w in values(tmp_path / "w").items() if (role := role_of_hf(name)) is not None}
    assert read.keys() == right.keys()
    for name, tensor in read.items():
        kind = embedding if embedding and name == "token_embd.weight" else format
        if right[name].ndim == 1:
            assert np.array_equal(tensor.data, right[name] + np.float32(1))
            continue
        assert tensor.tensor_type.name.lower() == kind
        found = dequantize(tensor.data, tensor.tensor_type).reshape(right[name].shape)
        error = np.linalg.norm(found - right[name]) / np.linalg.norm(right[name])
        assert error <= {"q4_0": 0.12, "q8_0": 0.01, "q6_k": 0.03, "f16": 1e-4, "bf16": 0, "f32": 0}[kind]
    assert tokenizer_for(path).vocab_size == LARGE.vocab


@pytest.mark.parametrize(
    ("model", "name", "format", "embedding", "said"),
    [
        (MODEL, "w.gguf", "q5_0", "", "unknown format 'q5_0' (known: q4_0, q8_0, f16, bf16, f32)"),
        (MODEL, "w.gguf", "q6_k", "", "unknown format 'q6_k'"),
        (MODEL, "w", "q4_0", "", "unknown format 'q4_0' (known: bf16, f16, f32)"),
        (MODEL, "w", "", "f16", "an embedding in a format of its own is for a .gguf file"),
        (
            MODEL,
            "w.gguf",
            "q4_0",
            "q6_k",
            "q6_k in GGUF needs rows of whole blocks of 256 weights; those of token_embd",
        ),
        (
            ModelSpec.load("tiny-odd"),
            "w.gguf",
            "q8_0",
            "",
            "whole blocks of 32 weights; those of token_embd.weight have 80",
        ),
        (dataclasses.replace(MODEL, activation="silu"), "w.gguf", "", "", "no field for the activation silu"),
        (dataclasses.replace(MODEL, vocab=120), "w", "", "", "tiny: "),
    ],
)
def test_what_cannot_be_is_refused(
    tmp_path: Path, model: ModelSpec, name: str, format: str, embedding: str, said: str
) -> None:
    with pytest.raises(InputError) as error:
        make_weights(model, tmp_path / name, 0, format, embedding)
    one_line(error, said)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["w", "w.gguf"])
def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path: Path, name: str) -> None:
    out = tmp_path / name
    with largest_file(100_000), pytest.raises(FileError) as error:
        make_weights(MODEL, out)
    assert str(error.value).startswith(f"{out}: cannot be written: File too large (")
    assert list(tmp_path.iterdir()) == []

    def interrupt(what: str, done: int, total: int) -> None:
        assert done <= total
        if done > total // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_weights(MODEL, out, progress=interrupt)
    assert list(tmp_path.iterdir()) == []
    make_weights(MODEL, out)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    with pytest.raises(FileError, match="is there already"):
        make_weights(MODEL, out)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_too_little_space_is_said_before_anything_is_written(tmp_path: Path) -> None:
    huge = dataclasses.replace(ModelSpec.load("gemma27b"), layers=1024, ffn=1 << 20, vocab=300)
    with pytest.raises(FileError, match=r"bytes are needed, \d+ are free"):
        make_weights(huge, tmp_path / "w")
    assert list(tmp_path.iterdir()) == []


def test_what_a_dead_writer_left_is_removed(tmp_path: Path) -> None:
    for name in ("w", "w.gguf"):
        left = tmp_path / f".{name}.part-{'a' * 32}"
        if name == "w":
            left.mkdir()
            (left / "model.safetensors").write_bytes(b"x")
        else:
            left.write_bytes(b"x")
        make_weights(MODEL, tmp_path / name)
        assert not os.path.lexists(left)
