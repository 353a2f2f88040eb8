"""The matrix of a product: its shape, its format, its bindings, its work."""

from dataclasses import dataclass

from kernelc.kernel import Binding, Value, Work
from kernelrt.quant import QUANTS, Quant, padded


@dataclass(frozen=True, slots=True)
class Matrix:
    """A product of a family: [rows, width] x [height, width]^T; two matrices of one shape if `gated`."""

    family: str
    height: int
    width: int
    quant: str
    gated: bool = False

    @property
    def format(self) -> Quant:
        return QUANTS[self.quant]

    @property
    def matrices(self) -> int:
        return 2 if self.gated else 1

    @property
    def unpacking(self) -> tuple[str, ...]:
        """The features that it takes to read its scaled weights one by one."""
        return ("int8", *self.scale_features) if self.format.scaled else ()

    @property
    def scale_features(self) -> tuple[str, ...]:
        """The features that it takes to read its scales."""
        return ("storage16",) if self.format.scale_dtype == "f16" else ()

    def work(self, rows: int, x_bytes: int, out_bytes: int) -> Work:
        """2 FLOPs a weight and row; each weight and each activation moved once."""
        weights = self.matrices * self.format.weight_bytes(self.height, self.width)
        return Work(
            rows, 2 * rows * self.matrices * self.height * self.width, weights + rows * x_bytes, rows * out_bytes
        )

    def weight_bindings(self, element: str = "u32x4") -> list[Binding]:
        """The planes of one matrix, or of both, with the integers as `element`."""
        per_row = padded(self.width) * self.format.bits // 32 // {"u32x2": 2, "u32x4": 4}[element]
        scales = (self.height, self.format.scales(self.width))
        bindings: list[Binding] = []
        for name in ("w", "w_up")[: self.matrices]:
            bindings.append(Binding(name, element, (self.height, per_row)))
            if self.format.scaled:
                bindings.append(Binding(f"{name}_scale", self.format.scale_dtype, scales))
        return bindings


def norm_bindings(width: int) -> list[Binding]:
    """What the norm prologue reads and writes, f32: see templates/glsl/lib/norm.glsl.

    In front of a product `residual` and `residual_out` are two buffers: every workgroup reads the one, the first writes
    the other.
    """
    quads = width // 4
    return [
        Binding("branch", "f32x4", ("rows", quads)),
        Binding("residual", "f32x4", ("rows", quads)),
        Binding("post_weight", "f32x4", (quads,)),
        Binding("pre_weight", "f32x4", (quads,)),
        Binding("residual_out", "f32x4", ("rows", quads), "w"),
    ]


def row_bytes(binding: Binding) -> int:
    """Bytes that one row of a buffer takes (0 for one that does not grow with the rows)."""
    return binding.nbytes(rows=1) if "rows" in binding.shape else 0


def row_inputs(matrix: Matrix, normed: bool) -> tuple[list[Binding], int]:
    """The activations of a product of few rows, f32, and the bytes of a row: what the norm prologue reads, or x."""
    if normed:
        return norm_bindings(matrix.width), 4 * 4 * matrix.width
    width = padded(matrix.width)
    return [Binding("x", "f32x4", ("rows", width // 4))], 4 * width


def row_params(matrix: Matrix, norm_eps: float | None, rows_per_workgroup: int) -> dict[str, Value]:
    """What the templates of products of few rows read."""
    return {
        "quant": matrix.quant,
        "unit": matrix.format.unit,
        "group": matrix.format.group,
        "width": matrix.width,
        "padded": padded(matrix.width),
        "height": matrix.height,
        "gated": matrix.gated,
        "prologue": "none" if norm_eps is None else "norm",
        "eps": norm_eps or 0.0,
        "rows_per_workgroup": rows_per_workgroup,
    }
