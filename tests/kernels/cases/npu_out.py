"""Cases of npu_out: prompts and steps, each layout, widths that are no whole blocks, and values that no half holds."""

from collections.abc import Iterator, Mapping

import numpy as np

from kernelc.kernel import Layout
from kernelc.kernels import npu_out
from kernelc.target import TargetSpec
from kernelrt.params import Params, Sequence
from kernelrt.quant import padded
from tests.kernels.case import Array, Case
from tests.kernels.harness import fresh_seed
from tests.oracle import layout
from tests.oracle.npu_numbers import from_bf16
from tests.oracle.pointwise import bfloat16

OUT = {"rows_f16": "out_halves", "rows_f32": "out_rows", "lanes_f32": "out_lanes"}
# width, live rows, rows of the bucket, rows of the NPU kernel, workgroup
CHUNKS = ((120, 5, 9, 16, 8), (128, 64, 64, 64, 256), (4096, 3, 4, 64, 256))
# width, layout, unit, live rows, rows of the bucket, elements between sequences, workgroup
STEPS: tuple[tuple[int, Layout, int, int, int, int, int], ...] = (
    (120, "rows_f16", 1, 2, 3, 128, 8),
    (120, "rows_f32", 1, 1, 1, 2048, 64),
    (120, "lanes_f32", 32, 3, 4, 120, 64),
    (4096, "lanes_f32", 16, 1, 1, 4096, 256),
)


def cases(target: TargetSpec) -> Iterator[Case]:
    for shape in CHUNKS:
        yield chunk(*shape)
    for shape in STEPS:
        yield step(*shape)


def chunk(width: int, rows: int, bucket: int, npu_rows: int, workgroup: int) -> Case:
    seed = fresh_seed()
    bits = _bits(seed, npu_rows, width)
    return Case(
        f"npu_out.{width}.{rows}of{bucket}",
        npu_out.spec(width=width, rows=npu_rows, workgroup=workgroup),
        {"npu_out": bits[:bucket]},
        {"out_halves": _expected(bits[:rows], "rows_f16", bucket)},
        Params(rows),
        bucket,
        0.0,
        seed,
    )


def step(width: int, out: Layout, unit: int, rows: int, bucket: int, stride: int, workgroup: int) -> Case:
    seed = fresh_seed()
    slots = np.random.default_rng(seed).permutation(bucket + 1)
    bits = _bits(seed, bucket + 1, stride)
    name = OUT[out]

    def view(outputs: Mapping[str, Array]) -> Mapping[str, Array]:
        if out != "lanes_f32":
            return outputs
        return {name: layout.from_lanes(outputs[name].reshape(bucket, -1), unit, 4).ravel()}

    return Case(
        f"npu_out.step.{width}.{out}.{rows}of{bucket}.s{stride}",
        npu_out.spec(width=width, stride=stride, out=out, unit=unit, workgroup=workgroup),
        {"npu_out": bits},
        {name: _expected(bits[slots[:rows], :width], out, bucket)},
        Params(rows, sequences=tuple(Sequence(slot=int(slot)) for slot in slots[:rows])),
        bucket,
        0.0,
        seed,
        {"slots": bucket + 1},
        view,
    )


def _bits(seed: int, rows: int, width: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return bfloat16((rng.standard_normal((rows, width)) * 10.0 ** rng.integers(-6, 6)).astype(np.float32))


def _expected(bits: np.ndarray, out: Layout, bucket: int) -> np.ndarray:
    """Padded with zeros to whole blocks; NaN where there is no row."""
    width, values = bits.shape[1], from_bf16(bits)
    dtype = np.float16 if out == "rows_f16" else np.float32
    expected = np.full((bucket, padded(width)), np.nan, dtype)
    expected[: len(bits)] = 0
    expected[: len(bits), :width] = np.clip(values, -65504, 65504) if out == "rows_f16" else values
    return expected
