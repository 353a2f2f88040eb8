"""Loading on lavapipe: every kind of file into every format it fits, bit for bit; what it takes; how it ends early."""

import contextlib
import dataclasses
import os
import threading
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from kernelrt.errors import InputError
from kernelrt.gpu.device import Device
from kernelrt.model import ModelSpec
from kernelrt.threads import threads
from kernelrt.weights.random import RandomWeights
from kernelrt.weights.slots import Formats
from kernelrt.weights.source import open_checkpoint
from tests.fixtures.checkpoints import write_folder, write_gguf
from tests.fixtures.errors import one_line
from tests.fixtures.weights import contents, destination, expected, silent
from tests.kernels.harness import fresh_seed
from tests.oracle import weights
from tests.oracle.quantize import to_blocks

TINY = ModelSpec.load("tiny")
ODD = ModelSpec.load("tiny-odd")  # no width is a multiple of 32
LARGE = dataclasses.replace(TINY, name="large", hidden=256, layers=2, vocab=300)  # rows of whole blocks of Q6_K


def load(device: Device, path: Path, model: ModelSpec, formats: Formats, **ring: int) -> tuple[dict[str, bytes], str]:
    with open_checkpoint(path, "off") as checkpoint, destination(device, model, formats, **ring) as target:
        checkpoint.check(model, formats)
        report = checkpoint.load(target, silent)
        assert report.bytes_uploaded == sum(buffer.nbytes for buffer in target.buffers.values())
        return contents(target), report.how


def same(found: dict[str, bytes], right: dict[str, bytes]) -> None:
    """Equal, naming the first tensor that is not."""
    assert found.keys() == right.keys()
    for name, content in right.items():
        assert found[name] == content, name


@pytest.mark.parametrize("quant", ["q4_0", "q8_0", "f16"])
@pytest.mark.parametrize(("dtype", "model", "shards"), [("BF16", ODD, 3), ("F16", TINY, 1), ("F32", ODD, 1)])
def test_safetensors_are_converted(
    device: Device, tmp_path: Path, quant: str, dtype: str, model: ModelSpec, shards: int
) -> None:
    tensors = weights.tensors(model, fresh_seed())
    formats = Formats(quant, quant)
    folder = write_folder(tmp_path / "w", model, tensors, dtype, shards)
    found, how = load(device, folder, model, formats)
    same(found, expected(tensors, model, formats))
    assert how.startswith(str(folder))


@pytest.mark.parametrize("form", ["q4_0", "q8_0", "f16", "bf16", "f32"])
def test_a_gguf_of_the_bundles_format_is_used_bit_for_bit_and_floats_are_converted(
    device: Device, tmp_path: Path, form: str
) -> None:
    tensors = weights.tensors(TINY, fresh_seed())
    quant = form if form in ("q4_0", "q8_0", "f16") else "q4_0"
    path = write_gguf(tmp_path / "w.gguf", TINY, tensors, form)
    found, how = load(device, path, TINY, Formats(quant, quant))
    same(found, expected(tensors, TINY, Formats(quant, quant)))
    assert ("bit for bit" in how) == (form == quant)


@pytest.mark.parametrize("embedding", ["q6_k", "f16", "q8_0"])
def test_the_embedding_of_a_quantised_file_keeps_its_own_format(device: Device, tmp_path: Path, embedding: str) -> None:
    tensors = weights.tensors(LARGE, fresh_seed())
    table = tensors["model.embed_tokens.weight"]
    blocks = to_blocks(table, "q6_k").tobytes() if embedding == "q6_k" else embedding
    path = write_gguf(tmp_path / "w.gguf", LARGE, tensors, "q4_0", blocks)
    found, how = load(device, path, LARGE, Formats("q4_0", embedding))
    same(found, expected(tensors, LARGE, Formats("q4_0", embedding)))
    assert "bit for bit" in how


@pytest.mark.parametrize("prefix", ["language_model.model.", "model.language_model."])
def test_the_text_part_of_a_multimodal_checkpoint_is_found(device: Device, tmp_path: Path, prefix: str) -> None:
    tensors = weights.tensors(TINY, fresh_seed())
    named = {name.replace("model.", prefix, 1): w for name, w in tensors.items()}
    vision = "model.vision_tower.encoder.weight" if prefix.startswith("model.") else "vision_tower.encoder.weight"
    named[vision] = np.ones((3, 5), np.float32)
    named["lm_head.weight"] = tensors["model.embed_tokens.weight"]  # tied, and written all the same
    folder = write_folder(tmp_path / "w", TINY, named)
    found, _ = load(device, folder, TINY, Formats("q8_0", "q8_0"))
    same(found, expected(tensors, TINY, Formats("q8_0", "q8_0")))


@pytest.mark.parametrize(("ring_bytes", "members"), [(1 << 20, 1), (4 << 10, 2), (1 << 20, 4)])
def test_the_size_of_the_ring_does_not_show(device: Device, tmp_path: Path, ring_bytes: int, members: int) -> None:
    tensors = weights.tensors(ODD, fresh_seed())
    folder = write_folder(tmp_path / "w", ODD, tensors)
    found, _ = load(device, folder, ODD, Formats("q4_0", "f16"), ring_bytes=ring_bytes, members=members)
    same(found, expected(tensors, ODD, Formats("q4_0", "f16")))


def test_a_single_file_is_enough(device: Device, tmp_path: Path) -> None:
    tensors = weights.tensors(TINY, fresh_seed())
    folder = write_folder(tmp_path / "w", TINY, tensors)
    alone = tmp_path / "alone.safetensors"
    (folder / "model.safetensors").rename(alone)
    found, _ = load(device, alone, TINY, Formats("f16", "f16"))
    same(found, expected(tensors, TINY, Formats("f16", "f16")))


def test_host_memory_stays_within_what_is_reported(device: Device, tmp_path: Path) -> None:
    model = dataclasses.replace(TINY, hidden=512, ffn=2048, vocab=2048, layers=2)
    tensors = weights.tensors(model, fresh_seed())
    path = write_folder(tmp_path / "w", model, tensors)
    source = sum(2 * w.size for w in tensors.values())
    del tensors
    formats = Formats("q4_0", "q8_0")
    with open_checkpoint(path, "off") as checkpoint, destination(device, model, formats, 1 << 20) as target:
        tracemalloc.start()
        report = checkpoint.load(target, silent)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    ring = 3 << 20
    assert peak < report.host_peak_bytes - ring
    assert report.host_peak_bytes <= ring + threads() * (4 << 20)
    assert report.bytes_read == source


@pytest.mark.parametrize("raised", [KeyboardInterrupt, ValueError])
def test_an_interruption_leaves_no_thread_and_a_usable_device(
    device: Device, tmp_path: Path, raised: type[BaseException]
) -> None:
    tensors = weights.tensors(ODD, fresh_seed())
    folder = write_folder(tmp_path / "w", ODD, tensors)
    formats = Formats("q8_0", "q8_0")
    before = threading.active_count()

    def interrupt(what: str, done: int, total: int) -> None:
        if done > total // 3:
            raise raised

    with open_checkpoint(folder, "always") as checkpoint, destination(device, ODD, formats) as target:
        with pytest.raises(raised):
            checkpoint.load(target, interrupt)
        assert threading.active_count() == before
        checkpoint.load(target, silent)
        same(contents(target), expected(tensors, ODD, formats))
    assert not [path for path in open_files() if path.startswith(str(folder))]


def open_files() -> list[str]:
    """The paths of what this process has open, but for the folder that is listed here."""
    found: list[str] = []
    for descriptor in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):
            found.append(os.readlink(f"/proc/self/fd/{descriptor}"))
    return found


def test_a_file_that_is_cut_off_while_it_is_loaded_is_one_error(device: Device, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "w", ODD, weights.tensors(ODD, fresh_seed()))
    file = folder / "model.safetensors"

    def cut(what: str, done: int, total: int) -> None:
        if done:
            os.truncate(file, 100)

    formats = Formats("q8_0", "q8_0")
    with (
        open_checkpoint(folder, "off") as checkpoint,
        destination(device, ODD, formats) as target,
        pytest.raises(InputError) as error,
    ):
        checkpoint.load(target, cut)
    one_line(error, f"{file}: cut off while it was read: it had {checkpoint.files[0].size} bytes and ends at ")


@pytest.mark.parametrize("dtype", ["BF16", "F16", "F32"])
@pytest.mark.parametrize(("value", "said"), [(np.nan, "a NaN"), (-np.inf, "an infinity")])
def test_a_value_that_is_no_number_is_named(
    device: Device, tmp_path: Path, dtype: str, value: float, said: str
) -> None:
    tensors = weights.tensors(ODD, fresh_seed())
    name = "model.layers.3.mlp.down_proj.weight"
    tensors[name][17, 5] = value
    folder = write_folder(tmp_path / "w", ODD, tensors, dtype)
    with pytest.raises(InputError) as error:
        load(device, folder, ODD, Formats("q4_0", "q4_0"))
    one_line(error, str(folder / "model.safetensors"), f"tensor {name}: {said} at row 17, column 5;")
    tensors[name][17, 5] = 0
    tensors["model.norm.weight"][3] = value
    folder = write_folder(tmp_path / "w", ODD, tensors, dtype)
    with pytest.raises(InputError) as error:
        load(device, folder, ODD, Formats("f16", "f16"))
    one_line(error, f"tensor model.norm.weight: {said} at position 3;")


def test_halves_that_stay_as_they_are_are_looked_at_too(device: Device, tmp_path: Path) -> None:
    tensors = weights.tensors(TINY, fresh_seed())
    tensors["model.layers.1.mlp.down_proj.weight"][61, 200] = np.nan
    path = write_gguf(tmp_path / "w.gguf", TINY, tensors, "f16")
    with pytest.raises(InputError) as error:
        load(device, path, TINY, Formats("f16", "f16"))
    one_line(error, str(path), "tensor blk.1.ffn_down.weight: a NaN at row 61, column 200;")


@pytest.mark.parametrize(("quant", "at", "block"), [("q4_0", 0, 32), ("q8_0", 0, 32), ("q6_k", 208, 256)])
def test_a_scale_that_is_no_number_is_named(device: Device, tmp_path: Path, quant: str, at: int, block: int) -> None:
    tensors = weights.tensors(LARGE, fresh_seed())
    body = "q4_0" if quant == "q6_k" else quant
    blocks = to_blocks(tensors["model.embed_tokens.weight"], "q6_k")
    path = write_gguf(tmp_path / "w.gguf", LARGE, tensors, body, blocks.tobytes() if quant == "q6_k" else None)
    name = "token_embd.weight" if quant == "q6_k" else "blk.1.ffn_up.weight"
    with open_checkpoint(path, "off") as checkpoint:
        tensor = next(tensor for tensor in checkpoint.tensors.values() if tensor.name == name)
        last = tensor.width // block - 1
        place = tensor.start + 29 * tensor.row_bytes + last * tensor.encoding.nbytes + at
    with path.open("r+b") as file:
        file.seek(place)
        file.write(b"\x00\xfc")
    with pytest.raises(InputError) as error:
        load(device, path, LARGE, Formats(body, quant))
    columns = f"column {last * block} to {last * block + block - 1}"
    one_line(error, str(path), f"tensor {name}: an infinity as the scale of row 29, {columns};")


@pytest.mark.parametrize(("quant", "value", "least"), [("f16", 65520, 65519), ("q4_0", 8 * 65520, 8 * 65519)])
def test_a_value_outside_of_the_formats_range_is_named(
    device: Device, tmp_path: Path, quant: str, value: float, least: float
) -> None:
    tensors = weights.tensors(TINY, fresh_seed())
    name = "model.layers.0.self_attn.k_proj.weight"
    tensors[name][60, 127] = least  # the largest that still rounds to a half
    folder = write_folder(tmp_path / "w", TINY, tensors, "F32")
    found, _ = load(device, folder, TINY, Formats(quant, quant))
    same(found, expected(tensors, TINY, Formats(quant, quant)))
    tensors[name][60, 127] = -value
    folder = write_folder(tmp_path / "w", TINY, tensors, "F32")
    with pytest.raises(InputError) as error:
        load(device, folder, TINY, Formats(quant, quant))
    one_line(error, f"tensor {name}: {float(value):g} at row 60, column 127 is outside of the range of {quant};")


@pytest.mark.parametrize("formats", [Formats("q4_0", "q6_k"), Formats("q8_0", "q8_0"), Formats("f16", "f16")])
@pytest.mark.parametrize("model", [LARGE, ODD], ids=["large", "odd"])
def test_random_weights_are_finite_and_well_scaled(device: Device, model: ModelSpec, formats: Formats) -> None:
    if model is ODD:
        formats = Formats(formats.quant, formats.quant)
    ring = 64 << 10
    with destination(device, model, formats, ring) as target:
        source = RandomWeights(5)
        source.check(model, formats)
        report = source.load(target, silent)
        assert report.bytes_uploaded == sum(buffer.nbytes for buffer in target.buffers.values())
        read = {name: buffer.array(np.uint8) for name, buffer in target.buffers.items()}
    for name, rows, width, quant in (
        ("embedding", model.vocab, model.hidden, formats.embedding),
        ("0.qkv", model.qkv_rows, model.hidden, formats.quant),
        ("1.down", model.hidden, model.ffn, formats.quant),
    ):
        w = meant(read, name, rows, quant)
        assert np.all(np.isfinite(w))
        assert not w[:, width:].any()
        assert np.isclose(np.square(w[:, :width]).mean() * width, 1, rtol=0.1)
        assert abs(w.mean()) * width**0.5 < 0.05
    assert (read["0.gate.w"] != read["1.gate.w"]).mean() > 0.5
    for name in ("final_norm", "0.q_norm"):
        norm = read[name].view(np.float32)
        assert np.all(np.abs(norm - 1) < 0.6)
        assert norm.std() > 0.02


def meant(read: dict[str, np.ndarray], name: str, rows: int, quant: str) -> np.ndarray:
    """The weights [rows, padded width] that two planes mean."""
    w = read[f"{name}.w"]
    if quant == "f16":
        return w.view(np.float16).astype(np.float64).reshape(rows, -1)
    if quant == "q6_k":
        scales = read[f"{name}.scale"].view(np.float32)
        return (w.view(np.int8).reshape(-1, 16) * scales[:, None].astype(np.float64)).reshape(rows, -1)
    scales = read[f"{name}.scale"].view(np.float16).astype(np.float64)
    if quant == "q8_0":
        return (w.view(np.int8).reshape(-1, 32) * scales[:, None]).reshape(rows, -1)
    nibbles = w.reshape(-1, 16)
    q = np.concatenate([nibbles & 15, nibbles >> 4], 1).astype(np.float64) - 8
    return (q * scales[:, None]).reshape(rows, -1)
