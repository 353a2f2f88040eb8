"""Cases of npu_out: widths that are no whole blocks, and values that no half holds."""

from collections.abc import Iterator

import numpy as np

from kernelc.kernels import npu_out
from kernelc.target import TargetSpec
from kernelrt.params import Params
from kernelrt.quant import padded
from tests.kernels.case import Case
from tests.kernels.harness import fresh_seed
from tests.oracle.pointwise import bfloat16

# width, live rows, rows of the bucket, rows of the NPU kernel, workgroup
SHAPES = ((120, 5, 9, 16, 8), (128, 64, 64, 64, 256), (4096, 3, 4, 64, 256))


def cases(target: TargetSpec) -> Iterator[Case]:
    for shape in SHAPES:
        yield case(*shape)


def case(width: int, rows: int, bucket: int, npu_rows: int, workgroup: int) -> Case:
    seed = fresh_seed()
    rng = np.random.default_rng(seed)
    bits = bfloat16((rng.standard_normal((npu_rows, width)) * 10.0 ** rng.integers(-6, 6)).astype(np.float32))
    values = (bits.astype(np.uint32) << 16).view(np.float32)
    expected = np.full((bucket, padded(width)), np.nan, np.float16)
    expected[:rows] = 0
    expected[:rows, :width] = np.clip(values[:rows], -65504, 65504)
    return Case(
        f"npu_out.{width}.{rows}of{bucket}",
        npu_out.spec(width=width, rows=npu_rows, workgroup=workgroup),
        {"npu_out": bits[:bucket]},
        {"out_halves": expected},
        Params(rows),
        bucket,
        0.0,
        seed,
        view=lambda out: {name: array.view(np.float16) for name, array in out.items()},
    )
