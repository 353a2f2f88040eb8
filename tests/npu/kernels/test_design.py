"""What the kernels' texts say, against what their specs promise: operations that lower, memory as counted, plans."""

from dataclasses import replace
from math import prod

import pytest

from kernelc.buckets import Buckets
from kernelc.npu import attention_decode, attention_prefill, gemm_bf16, gemm_int8
from kernelc.npu.attention import Cut, Shape
from kernelc.npu.lowers import refused
from kernelc.npu.plan import plan
from kernelc.npu.render import render
from kernelc.npu.spec import ITEM_BYTES, NpuKernelSpec
from kernelrt.errors import InputError, MissingKernelError
from kernelrt.model import ModelSpec
from kernelrt.npu.attention import serving
from kernelrt.npu.hardware import Tile
from kernelrt.npu.text.load import load

PREFILL = Shape(8, 4, 64, 256, None, (0,), 1, 64)
DECODE = Shape(8, 1, 128, 1024, None, (255,), 256)


def kernels() -> dict[str, NpuKernelSpec]:
    return {
        "prefill": attention_prefill.spec(PREFILL, "prefill"),
        "prefill_bytes": attention_prefill.spec(replace(PREFILL, dtype="i8"), "prefill"),
        "prefill_wide": attention_prefill.spec(replace(PREFILL, head_dim=256), "prefill"),
        "decode": attention_decode.spec(DECODE, "decode"),
        "decode_bytes": attention_decode.spec(replace(DECODE, dtype="i8"), "decode"),
        "gemm_bf16": gemm_bf16.spec(256, 256, 128, "gemm"),
        "gemm_int8": gemm_int8.spec(256, 256, 128, "gemm"),
    }


@pytest.mark.parametrize("name", kernels())
def test_cores_say_only_what_lowers(name: str) -> None:
    assert refused(render(kernels()[name])) == ()


@pytest.mark.parametrize(
    "line",
    [
        "%bad = arith.maximumf %l, %l : vector<16xf32>",
        "%bad = arith.divf %l, %l : vector<16xf32>",
        "%bad = math.exp2 %l : vector<16xf32>",
        "%bad = arith.addf %fz, %fz : f32",
        "%bad = arith.shrsi %li, %li : vector<16xi32>",
        "func.call @helper() : () -> ()",
    ],
)
def test_what_does_not_lower_is_found(line: str) -> None:
    text = render(kernels()["prefill"])
    at = text.index("      aie.end\n    } {stack_size")
    assert refused(f"{text[:at]}      {line}\n{text[at:]}") == (line,)


@pytest.mark.parametrize("name", kernels())
def test_the_budget_counts_every_byte_of_every_buffer(name: str) -> None:
    spec = kernels()[name]
    design = load(render(spec), f"{name}.mlir")
    used: dict[Tile, int] = {core.tile: core.stack_bytes for core in design.cores}
    for buffer in design.buffers:
        used[buffer.tile] = used.get(buffer.tile, 0) + prod(buffer.type.shape) * ITEM_BYTES[buffer.type.dtype]
    for fifo in design.fifos:
        for end in (fifo.producer, *fifo.consumers) if not design.links else ():
            used[end.tile] = used.get(end.tile, 0) + end.depth * prod(fifo.type.shape) * ITEM_BYTES[fifo.type.dtype]
    if design.links:  # a linked fifo's objects lie once in the memory tile; in compute tiles each end has its own
        for fifo in design.fifos:
            size = prod(fifo.type.shape) * ITEM_BYTES[fifo.type.dtype]
            for end in (fifo.producer, *fifo.consumers):
                if end.tile.row > 1:
                    used[end.tile] += end.depth * size
    fullest = max(count for tile, count in used.items() if tile.row > 1)
    assert fullest == spec.budget.memory("compute") <= 65536
    if not design.links:
        assert max(count for tile, count in used.items() if tile.row == 1) == spec.budget.memory("memory") <= 524288


def test_a_cut_that_does_not_fit_is_refused_with_what_was_counted() -> None:
    shape = replace(PREFILL, head_dim=256, rows=256)
    with pytest.raises(
        InputError, match=r"compute tile: \d+ of 65536 bytes \(stack 2048 \+ queries 32768 \+ keys 32768"
    ):
        attention_prefill.spec(shape, "prefill", Cut(64, 64, 1))
    with pytest.raises(InputError, match="no whole blocks of 8"):
        attention_prefill.spec(replace(PREFILL, head_dim=36), "prefill")
    with pytest.raises(InputError, match="no multiple of 256"):
        attention_decode.spec(replace(DECODE, capacity=320), "decode")


@pytest.mark.parametrize("model", ["gemma27b", "gemma12b", "gemma4b", "gemma1b", "tiny", "tiny-odd"])
def test_every_model_has_its_kernels(model: str) -> None:
    """For each kind of layer and capacity: prefill from every position on, and decode at every one, up to the
    bucket's end.
    """
    specs = plan(ModelSpec.load(model), Buckets(seq=(256, 2048), batch=(1, 2)))
    assert len({spec.name for spec in specs}) == len(specs)
    assert {dict(spec.tags)["phase"] for spec in specs} == {"prefill", "decode"}
    for spec in specs:
        assert not spec.budget.faults()
        tags = {key: int(value) for key, value in spec.tags if key in ("spread", "capacity", "window")}
        starts = tuple(int(name.removeprefix("start_")) for name in spec.sequences)
        turns = tags["window"] > 0 and starts[-1] >= tags["capacity"]
        for position in range(0, (2048 if turns else tags["capacity"]) - tags["spread"] + 1, 61):
            named, at = serving(position, starts, tags["spread"], tags["capacity"], tags["window"])
            assert at - tags["spread"] < position <= at
            assert (at - named) % tags["capacity"] == 0


@pytest.mark.parametrize("window", [None, 16])
def test_a_position_that_no_sequence_serves_is_an_error(window: int | None) -> None:
    """With a window neither, for none of the sequences reaches back that far."""
    with pytest.raises(MissingKernelError, match="no sequence of instructions serves position 300"):
        serving(300, (0, 64), 64, 256, window)
