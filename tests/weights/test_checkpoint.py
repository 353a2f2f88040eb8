"""Whether a checkpoint is the bundle's: every refusal names the tensor or the field, what was found and expected."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from kernelrt.errors import InputError
from kernelrt.model import ModelSpec
from kernelrt.weights.slots import Formats
from kernelrt.weights.source import open_checkpoint
from tests.fixtures.checkpoints import F32, write_folder, write_gguf, write_safetensors
from tests.fixtures.errors import one_line
from tests.oracle import weights
from tests.oracle.quantize import to_blocks

MODEL = ModelSpec.load("tiny")
LARGE = dataclasses.replace(MODEL, name="large", hidden=256, layers=1, vocab=300)
Q4_0 = Formats("q4_0", "q4_0")
UP = "model.layers.2.mlp.up_proj.weight"
Tensors = dict[str, F32]


@pytest.fixture
def tensors() -> Tensors:
    return weights.tensors(MODEL, 3)


def refused(path: Path, *said: str, model: ModelSpec = MODEL, formats: Formats = Q4_0) -> None:
    with pytest.raises(InputError) as error, open_checkpoint(path) as checkpoint:
        checkpoint.check(model, formats)
    one_line(error, *said)


def without(tensors: Tensors) -> None:
    del tensors[UP]


def transposed(tensors: Tensors) -> None:
    tensors[UP] = np.ascontiguousarray(tensors[UP].T)


def more(tensors: Tensors) -> None:
    tensors["model.layers.6.mlp.up_proj.weight"] = tensors[UP]


def untied(tensors: Tensors) -> None:
    tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"] * 2


def unknown(tensors: Tensors) -> None:
    tensors["model.layers.0.mlp.up_proj.lora_A"] = tensors[UP]


def twice(tensors: Tensors) -> None:
    tensors["language_model.model.norm.weight"] = tensors["model.norm.weight"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (without, f"tensor {UP} [256, 128] is missing"),
        (
            transposed,
            f"weights of another model than the bundle's tiny: tensor {UP} has the shape [128, 256], expected",
        ),
        (more, "tensor model.layers.6.mlp.up_proj.weight is not in it"),
        (untied, "tensor lm_head.weight differs from model.embed_tokens.weight"),
        (unknown, "tensor model.layers.0.mlp.up_proj.lora_A does not belong to a Gemma 3 text model"),
        (twice, "tensor language_model.model.norm.weight is there twice: it is model.norm.weight too"),
    ],
)
def test_wrong_tensors_are_named(
    tmp_path: Path, tensors: Tensors, change: Callable[[Tensors], None], said: str
) -> None:
    change(tensors)
    refused(write_folder(tmp_path / "w", MODEL, tensors), str(tmp_path / "w"), said)


def test_a_gguf_names_tensors_its_own_way(tmp_path: Path, tensors: Tensors) -> None:
    without(tensors)
    path = write_gguf(tmp_path / "w.gguf", MODEL, tensors, "q8_0")
    refused(path, str(path), "tensor blk.2.ffn_up.weight [256, 128] is missing", formats=Formats("q8_0", "q8_0"))


def test_weights_of_another_model_are_refused_by_field(tmp_path: Path, tensors: Tensors) -> None:
    folder = write_folder(tmp_path / "w", MODEL, tensors)
    same = dataclasses.replace(MODEL, name="other", eos_ids=(1,))
    with open_checkpoint(folder) as checkpoint:
        checkpoint.check(same, Q4_0)  # a name and the ends of a text are no matter of weights
    for field, value in (("window", 32), ("rope_scale_global", 1.0), ("layers", 5), ("norm_eps", 1e-5)):
        other = dataclasses.replace(MODEL, name="other", **{field: value})
        found = getattr(MODEL, field)
        said = f"weights of another model than the bundle's other: {field} is {found}, the bundle has {value}"
        refused(folder, str(folder), said, model=other)
        gguf = write_gguf(tmp_path / "w.gguf", MODEL, tensors, "q4_0")
        refused(gguf, str(gguf), said, "kernelc build --model", model=other)


@pytest.mark.parametrize(
    ("form", "embedding", "formats", "said"),
    [
        ("q4_0", None, Formats("q8_0", "q8_0"), "`kernelc build --quant q4_0`"),
        ("q8_0", None, Formats("q4_0", "q4_0"), "`kernelc build --quant q8_0`"),
        ("q8_0", None, Formats("f16", "f16"), "`kernelc build --quant q8_0`"),
        ("q4_0", "q6_k", Formats("q4_0", "q4_0"), "`kernelc build --quant q4_0 --embedding-quant q6_k`"),
        ("q4_0", "q6_k", Formats("q8_0", "q8_0"), "`kernelc build --quant q4_0 --embedding-quant q6_k`"),
        ("q4_0", "f16", Formats("q4_0", "q4_0"), "`kernelc build --quant q4_0 --embedding-quant f16`"),
        ("q4_0", "q8_0", Formats("q4_0", "q6_k"), "`kernelc build --quant q4_0 --embedding-quant q8_0`"),
        ("f16", None, Formats("q4_0", "q6_k"), "`kernelc build --quant q4_0`"),
        ("f16", None, Formats("f16", "q6_k"), "`kernelc build --quant f16`"),
        ("bf16", "q6_k", Formats("q8_0", "q8_0"), "`kernelc build --quant q8_0 --embedding-quant q6_k`"),
    ],
)
def test_a_lossy_change_of_format_is_refused_with_the_bundle_that_fits(
    tmp_path: Path, form: str, embedding: str | None, formats: Formats, said: str
) -> None:
    tensors = weights.tensors(LARGE, 3)
    blocks = to_blocks(tensors["model.embed_tokens.weight"], "q6_k").tobytes() if embedding == "q6_k" else embedding
    path = write_gguf(tmp_path / "w.gguf", LARGE, tensors, form, blocks)
    refused(path, str(path), said, model=LARGE, formats=formats)


def test_the_suggested_bundle_takes_the_file(tmp_path: Path) -> None:
    tensors = weights.tensors(LARGE, 3)
    blocks = to_blocks(tensors["model.embed_tokens.weight"], "q6_k").tobytes()
    path = write_gguf(tmp_path / "w.gguf", LARGE, tensors, "q4_0", blocks)
    with open_checkpoint(path) as checkpoint:
        checkpoint.check(LARGE, Formats("q4_0", "q6_k"))


def test_hugging_face_weights_cannot_become_q6_k(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "w", LARGE, weights.tensors(LARGE, 3))
    refused(folder, "is bf16 and the bundle's embedding is q6_k", model=LARGE, formats=Formats("q4_0", "q6_k"))


def index(folder: Path, change: Callable[[dict[str, str]], None]) -> None:
    path = folder / "model.safetensors.index.json"
    table = json.loads(path.read_text())
    change(table["weight_map"])
    path.write_text(json.dumps(table))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda map: map.pop(UP), f"tensor {UP} is in the file, other than"),
        (lambda map: map.update(more="model-00001-of-00002.safetensors"), "tensor more is not in the file, other than"),
        (lambda map: map.update({UP: "../model.safetensors"}), "'../model.safetensors' names no *.safetensors file"),
        (lambda map: map.update({UP: "gone.safetensors"}), "gone.safetensors: cannot be read: No such file"),
    ],
)
def test_an_index_that_lies_is_refused(
    tmp_path: Path, tensors: Tensors, change: Callable[[dict[str, str]], None], said: str
) -> None:
    folder = write_folder(tmp_path / "w", MODEL, tensors, shards=2)
    index(folder, change)
    refused(folder, str(folder), said)


def test_what_is_no_checkpoint_says_what_would_be(tmp_path: Path, tensors: Tensors) -> None:
    refused(tmp_path, f"{tmp_path}: no weights; expected model.safetensors or model.safetensors.index.json")
    refused(tmp_path / "gone.gguf", "gone.gguf: cannot be read: No such file")
    (tmp_path / "w.bin").write_bytes(b"x")
    refused(tmp_path / "w.bin", "no weights; expected a *.gguf file, a *.safetensors file, or a folder")
    write_safetensors(tmp_path / "model.safetensors", tensors)
    refused(tmp_path, "config.json")


def test_other_dtypes_and_types_are_refused(tmp_path: Path, tensors: Tensors) -> None:
    folder = write_folder(tmp_path / "w", MODEL, tensors, "F32")
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes().replace(b'"F32"', b'"I32"'))
    refused(folder, f"{path}: tensor model.embed_tokens.weight is I32; supported: F32, F16, BF16")
    gguf = write_gguf(tmp_path / "w.gguf", MODEL, tensors, "q4_0")
    name = b"blk.0.attn_q.weight"
    content = bytearray(gguf.read_bytes())
    at = content.index(name) + len(name) + 4 + 2 * 8
    assert content[at] == 2
    content[at] = 20  # IQ4_NL has as many bytes
    gguf.write_bytes(content)
    refused(gguf, f"{gguf}: tensor blk.0.attn_q.weight is IQ4_NL; supported: F32, F16, BF16, Q4_0, Q8_0, Q6_K")
