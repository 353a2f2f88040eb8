"""The numbers of `make_weights`: random, well scaled, and the same for a seed on every machine and in every format."""

import hashlib
from collections.abc import Iterator

import numpy as np

from kernelrt.weights.arrays import reshape, view
from kernelrt.weights.quantize import Values

_CHUNK = 1 << 20  # weights that are made at a time
_NORM = 0.1  # the standard deviation of a norm's w; a matrix's is 1 / sqrt(width), so that a product keeps its size
_SUM_OF_BYTES = (4 * (256**2 - 1) / 12) ** 0.5  # the standard deviation of the sum of four random bytes


def chunks(rows: int, width: int) -> Iterator[tuple[int, int]]:
    """(first, count) of the rows that `values` makes at a time."""
    step = max(1, _CHUNK // width)
    yield from ((first, min(step, rows - first)) for first in range(0, rows, step))


def values(seed: int, role: str, first: int, count: int, width: int, is_vector: bool) -> Values:
    """Float32 [count, width]: some rows of the tensor of a role, as Hugging Face stores it. Each is a bfloat16.

    They come from raw SFC64 words by integer arithmetic, because the normal deviates of NumPy may change with its
    version: the sum of four bytes is close enough to normal.
    """
    key = hashlib.sha256(f"{seed}/{role}/{first}".encode()).digest()
    words = np.random.SFC64(int.from_bytes(key, "little")).random_raw(-(-count * width // 2))
    a, b, c, d = (view(words, np.uint8)[i * count * width : (i + 1) * count * width] for i in range(4))
    total = np.add(a, b, dtype=np.int16)
    total += np.add(c, d, dtype=np.int16)
    centred = reshape(total - np.int16(510), count, width)
    scale = (_NORM if is_vector else width**-0.5) / _SUM_OF_BYTES
    bits = view(np.multiply(centred, np.float32(scale), dtype=np.float32), np.uint32)
    odd = np.bitwise_and(np.right_shift(bits, np.uint32(16)), np.uint32(1))
    nearest = np.add(bits, np.add(odd, np.uint32(0x7FFF)))  # bfloat16, ties to even
    return view(np.bitwise_and(nearest, np.uint32(0xFFFF0000)), np.float32)
