"""Cases of o_proj: tiny-odd's matrix whole, and rows of the 27B one."""

from collections.abc import Iterator

from kernelc.kernels import o_proj
from kernelc.product.matrix import Matrix
from kernelc.target import TargetSpec
from tests.kernels.case import Case
from tests.kernels.products import product_cases


def cases(target: TargetSpec) -> Iterator[Case]:
    sizes = (Matrix("o_proj", 80, 120, "q4_0"), Matrix("o_proj", 70, 4096, "q4_0"))
    yield from product_cases(target, lambda matrix, cut: o_proj.spec(matrix, cut), sizes, fused=False)
