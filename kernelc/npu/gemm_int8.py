"""gemm_int8: kernelc.npu.gemm of signed bytes, exact in 32 bits."""

from kernelc.npu import gemm
from kernelc.npu.gemm import Block, Gemm
from kernelc.npu.spec import NpuKernelSpec


def spec(rows: int, columns: int, depth: int, name: str, block: Block | None = None) -> NpuKernelSpec:
    """One kernel. Raises InputError where it does not fit the NPU."""
    return gemm.spec(Gemm(rows, columns, depth, "i8"), name, "gemm_int8", block)
