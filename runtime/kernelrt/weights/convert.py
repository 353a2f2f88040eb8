"""Rows of a checkpoint's tensor as they are staged for the device: GGUF's blocks as they are, or floats converted.

Every value is looked at on its way: a NaN or an infinity, or a number that the format cannot hold, is an error that
names the tensor and the place.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kernelrt.errors import InputError
from kernelrt.quant import QUANTS, padded
from kernelrt.specfile import printable
from kernelrt.weights.arrays import reshape, view
from kernelrt.weights.quantize import BLOCK, Values, q4_0, q8_0
from kernelrt.weights.tensor import BF16, F16, F32, Bytes, Encoding, Tensor

_STEP = 1 << 17  # weights that are converted at a time, so that what lies between stays in a core's cache
_CHECKED = 1 << 20  # values, or scales, that are looked at at a time where they stay as they are
_SCRATCH = 24  # bytes a weight that a conversion needs meanwhile (measured by tests/weights/test_load.py)
_DTYPES = {F32: np.uint32, F16: np.uint16, BF16: np.uint16}
_EXPONENTS = {F32: 0x7F800000, F16: 0x7C00, BF16: 0x7F80}  # all ones: NaN or an infinity
_FRACTIONS = {F32: 0x007FFFFF, F16: 0x03FF, BF16: 0x007F}
_SCALE_AT = {"q4_0": 0, "q8_0": 0, "q6_k": 208}  # where in a block its fp16 scale lies


def staged_row_bytes(format: str, width: int) -> int:
    """Bytes of a row of `width` weights on the way to the device, in a format of kernelrt.quant or as "f32"."""
    if format == "f32":
        return 4 * width
    return QUANTS[format].file_bytes(1, width) if QUANTS[format].scaled else 2 * padded(width)


def scratch_bytes(width: int) -> int:
    """The most memory that `Conversion.fill` takes beside its output, for rows of `width` weights."""
    return _SCRATCH * max(_STEP, padded(width))


@dataclass(frozen=True, slots=True)
class Conversion:
    """The rows of `source` in a format (of kernelrt.quant, or "f32"), `offset` added to each value of a vector."""

    source: Tensor
    format: str
    offset: float = 0.0

    @property
    def is_exact(self) -> bool:
        """Whether the bytes are moved as they are, but for a tail of zeros."""
        return self.source.encoding.name == self.format and not self.offset

    @property
    def in_place(self) -> bool:
        """Whether rows are read to where they are staged, all that are asked for at once."""
        return self.is_exact and self.source.row_bytes == staged_row_bytes(self.format, self.source.width)

    def fill(self, first: int, count: int, out: Bytes) -> None:
        """Rows [first, first + count) into uint8 [count, staged_row_bytes], contiguous.

        Raises InputError for unusable values, and for a file that cannot be read any more.
        """
        in_place, width = self.in_place, self.source.width
        if in_place:
            self.source.read(first, out)
        step = max(1, (_CHECKED * self.source.encoding.block if in_place else _STEP) // width)
        for row in range(0, count, step):
            part = out[row : row + step]
            if in_place:
                _check(self.source, first + row, part)
            else:
                self._convert(first + row, self.source.rows(first + row, len(part)), part)

    def _convert(self, first: int, raw: Bytes, out: Bytes) -> None:
        encoding, width = self.source.encoding, self.source.width
        _check(self.source, first, raw)
        if self.is_exact:
            out[:, : raw.shape[1]] = raw
            out[:, raw.shape[1] :] = 0
            return
        values = _decode(raw, encoding)
        if self.format == "f32":
            view(out, np.float32)[:] = values + np.float32(self.offset)
        elif self.format == "f16":
            halves = view(out, np.float16)
            with np.errstate(over="ignore", under="ignore"):
                halves[:, :width] = values
            halves[:, width:] = 0
            _check_range(self.source, first, values, np.isinf(halves[:, :width]), 1, "f16")
        else:
            _quantise(self.source, first, values, self.format, out)


def _quantise(source: Tensor, first: int, values: Values, format: str, out: Bytes) -> None:
    rows, width = values.shape
    if width % BLOCK:
        whole = np.zeros((rows, padded(width)), np.float32)
        whole[:, :width] = values
        values = whole
    blocks = (q4_0 if format == "q4_0" else q8_0)(reshape(values, -1, BLOCK))
    out[:] = reshape(blocks, rows, -1)
    infinite = (reshape(view(np.ascontiguousarray(blocks[:, :2]), np.uint16), rows, -1) & 0x7FFF) >= _EXPONENTS[F16]
    _check_range(source, first, values, infinite, BLOCK, format)


def _decode(raw: Bytes, encoding: Encoding) -> Values:
    """Floats [rows, width] of their bytes; exact."""
    if encoding == BF16:
        return view(view(raw, np.uint16).astype(np.uint32) << np.uint32(16), np.float32)
    return view(raw, np.float32) if encoding == F32 else view(raw, np.float16).astype(np.float32)


def _check(source: Tensor, first: int, raw: Bytes) -> None:
    """Raises InputError where a value (of blocks: a scale) is no number."""
    (_check_finite if source.encoding.is_float else _check_scales)(source, first, raw)


def _check_finite(source: Tensor, first: int, raw: Bytes) -> None:
    encoding = source.encoding
    bits = view(raw, _DTYPES[encoding])
    special = (bits & bits.dtype.type(_EXPONENTS[encoding])) == _EXPONENTS[encoding]
    if special.any():
        row, column = _first(special)
        what = "a NaN" if bits[row, column] & _FRACTIONS[encoding] else "an infinity"
        raise _unusable(source, f"{what} at {_place(source, first + row, column)}")


def _check_scales(source: Tensor, first: int, raw: Bytes) -> None:
    encoding = source.encoding
    low = _SCALE_AT[encoding.name]
    # The exponent lies in the upper byte: to look at every 18th byte takes a fraction of the time that reading takes.
    exponents = reshape(raw, -1)[low + 1 :: encoding.nbytes] & np.uint8(_EXPONENTS[F16] >> 8)
    if exponents.max() == _EXPONENTS[F16] >> 8:
        row, block = _first(reshape(exponents, len(raw), -1) == _EXPONENTS[F16] >> 8)
        at = block * encoding.nbytes + low
        fraction = int(view(raw[row, at : at + 2], np.uint16)[0]) & _FRACTIONS[F16]
        column = block * encoding.block
        place = f"{_place(source, first + row, column)} to {column + encoding.block - 1}"
        raise _unusable(source, f"{'a NaN' if fraction else 'an infinity'} as the scale of {place}")


def _check_range(source: Tensor, first: int, values: Values, bad: NDArray[np.bool_], block: int, format: str) -> None:
    if bad.any():
        row, at = _first(bad)
        columns = np.abs(values[row, at * block : (at + 1) * block])
        place = _place(source, first + row, at * block + int(columns.argmax()))
        raise _unusable(source, f"{columns.max():g} at {place} is outside of the range of {format}")


def _first(bad: NDArray[np.bool_]) -> tuple[int, int]:
    row, column = divmod(int(bad.argmax()), bad.shape[1])
    return row, column


def _place(source: Tensor, row: int, column: int) -> str:
    return f"row {row}, column {column}" if len(source.shape) > 1 else f"position {column}"


def _unusable(source: Tensor, problem: str) -> InputError:
    return InputError(f"{source.file.path}: tensor {printable(source.name)}: {problem}; these weights cannot be used")
