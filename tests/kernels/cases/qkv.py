"""Cases of qkv: tiny-odd's matrix whole, and rows of the 27B one."""

from collections.abc import Iterator

from kernelc.kernels import qkv
from kernelc.product.matrix import Matrix
from kernelc.target import TargetSpec
from tests.kernels.case import Case
from tests.kernels.draw import EPS
from tests.kernels.products import product_cases


def cases(target: TargetSpec) -> Iterator[Case]:
    sizes = (Matrix("qkv", 200, 80, "q4_0"), Matrix("qkv", 72, 5376, "q4_0"))
    yield from product_cases(target, lambda matrix, cut: qkv.spec(matrix, cut, norm_eps=EPS), sizes, fused=True)
