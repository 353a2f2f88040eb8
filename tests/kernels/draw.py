"""Fresh random data for a case: weights in their planes, activations, the inputs of a norm."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kernelc.product.matrix import Matrix
from tests.kernels.case import Array
from tests.kernels.harness import fresh_seed
from tests.oracle.pointwise import F64, stretch
from tests.oracle.quantize import planes

EPS = 1e-6


@dataclass
class Draw:
    """Fresh random data for one case."""

    seed: int
    rng: np.random.Generator

    @staticmethod
    def fresh() -> "Draw":
        seed = fresh_seed()
        return Draw(seed, np.random.default_rng(seed))

    def normal(self, *shape: int, scale: float = 1.0) -> NDArray[np.float32]:
        return (self.rng.standard_normal(shape) * scale).astype(np.float32)

    def weights(self, matrix: Matrix) -> tuple[dict[str, Array], list[F64]]:
        """The planes of one matrix or two by binding, and the weights that they mean."""
        arrays: dict[str, Array] = {}
        dense: list[F64] = []
        for name in ("w", "w_up")[: matrix.matrices]:
            w = self.normal(matrix.height, matrix.width, scale=matrix.width**-0.5)
            quants, scales, meant = planes(w, matrix.quant)
            arrays[name] = quants
            if scales is not None:
                arrays[f"{name}_scale"] = scales
            dense.append(meant)
        return arrays, dense

    def norm_inputs(self, rows: int, width: int, loud: float = 1.0) -> tuple[dict[str, Array], F64, F64]:
        """The norm prologue's inputs by binding, the residual that must come out, and h. Quiet ones show the eps."""
        arrays = {
            "branch": self.normal(rows, width, scale=3.0 * loud),
            "residual": self.normal(rows, width, scale=20.0 * loud),
            "post_weight": self.normal(width) + 1,
            "pre_weight": self.normal(width) + 1,
        }
        wide = {name: a.astype(np.float64) for name, a in arrays.items()}
        residual, h = stretch(wide["branch"], wide["residual"], wide["post_weight"], wide["pre_weight"], EPS)
        return dict(arrays), residual, h
