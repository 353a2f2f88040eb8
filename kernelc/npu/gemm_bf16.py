"""gemm_bf16: kernelc.npu.gemm of bf16, sums in f32, the result rounded to bf16."""

from kernelc.npu import gemm
from kernelc.npu.gemm import Block, Gemm
from kernelc.npu.spec import NpuKernelSpec


def spec(rows: int, columns: int, depth: int, name: str, block: Block | None = None) -> NpuKernelSpec:
    """One kernel. Raises InputError where it does not fit the NPU."""
    return gemm.spec(Gemm(rows, columns, depth, "bf16"), name, "gemm_bf16", block)
