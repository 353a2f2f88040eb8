"""The whole array's matrix products, simulated: bf16 against fp64, bytes exactly."""

import numpy as np
import pytest

from kernelc.npu import gemm_bf16, gemm_int8
from kernelc.npu.gemm import Block
from kernelrt.errors import InputError
from tests.npu.kernels import device
from tests.oracle.npu_numbers import from_bf16, relative, to_bf16


@pytest.mark.parametrize(("shape", "block"), [((128, 256, 96), None), ((256, 128, 64), Block(64, 16, 32))])
def test_bf16(shape: tuple[int, int, int], block: Block | None) -> None:
    rng = np.random.default_rng()
    rows, columns, depth = shape
    a, b = to_bf16(rng.standard_normal((rows, depth))), to_bf16(rng.standard_normal((columns, depth)))
    out = np.full((rows, columns), device.POISON, np.uint16)
    device.run(device.machine(gemm_bf16.spec(*shape, "gemm", block)), "all", a, b, out)
    assert relative(from_bf16(out), from_bf16(a) @ from_bf16(b).T) <= 5e-3


@pytest.mark.parametrize(("shape", "block"), [((128, 256, 96), None), ((128, 128, 72), Block(32, 16, 24))])
def test_bytes(shape: tuple[int, int, int], block: Block | None) -> None:
    """All of the bytes' range on both sides, the lowest too."""
    rng = np.random.default_rng()
    rows, columns, depth = shape
    a, b = (rng.integers(-128, 128, size).astype(np.int8) for size in ((rows, depth), (columns, depth)))
    out = np.full((rows, columns), -1, np.int32)
    device.run(device.machine(gemm_int8.spec(*shape, "gemm", block)), "all", a, b, out)
    assert np.array_equal(out, a.astype(np.int64) @ b.astype(np.int64).T)


def test_blocks_that_do_not_fit_are_refused_with_what_was_counted() -> None:
    with pytest.raises(InputError, match=r"81920 \+ sums|a twice \d+ \+ b twice \d+ \+ sums 65536"):
        gemm_bf16.spec(512, 512, 128, "gemm", Block(128, 128, 64))
    with pytest.raises(InputError, match=r"100 x 256 x 64 has no blocks"):
        gemm_bf16.spec(100, 256, 64, "gemm")
