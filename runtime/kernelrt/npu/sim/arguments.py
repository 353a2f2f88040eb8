"""The host's arrays as memories."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernelrt.errors import InputError
from kernelrt.npu.instructions import RuntimeSequence
from kernelrt.npu.memref import signless
from kernelrt.npu.sim.memory import Memory
from kernelrt.weights.arrays import reshape, view

_NUMPY = {
    "i8": ("int8", "uint8"),
    "i16": ("int16", "uint16"),
    "i32": ("int32", "uint32"),
    "i64": ("int64", "uint64"),
    "f16": ("float16",),
    "f32": ("float32",),
    "f64": ("float64",),
    "bf16": ("uint16", "bfloat16", "|V2"),
}


def numpy_dtypes(dtype: str) -> tuple[str, ...]:
    """What NumPy may call an MLIR dtype. bf16 are the upper halves of float32 as uint16; |V2 is what np.load makes of a
    file that ml_dtypes wrote."""
    return _NUMPY.get(signless(dtype), ())


def check_count(file: str, sequence: RuntimeSequence, given: int) -> None:
    """Raises:
    InputError: another number of arguments than the sequence has.
    """
    wanted = sequence.arguments
    if given != len(wanted):
        signature = ", ".join(f"{a.name}: {a.type}" for a in wanted)
        place = sequence.where.within(file)
        raise InputError(f"{place}: the sequence takes {len(wanted)} arguments ({signature}), and {given} are given")


def memories_of(file: str, sequence: RuntimeSequence, arrays: Sequence[NDArray[np.generic]]) -> tuple[Memory, ...]:
    """One memory an argument, which is the array's own.

    Raises:
        InputError: the wrong number of arrays, or one of another shape, dtype or layout than its argument.
    """
    check_count(file, sequence, len(arrays))
    found: list[Memory] = []
    for position, (argument, array) in enumerate(zip(sequence.arguments, arrays, strict=True)):
        label = f"argument {position} ({argument.name})"
        dtypes = numpy_dtypes(argument.type.dtype)
        dtype: Any = array.dtype
        if array.shape != argument.type.shape or not (dtype.name in dtypes or dtype.str in dtypes):
            raise InputError(
                f"{label} is {argument.type}: give an array of shape {argument.type.shape} and dtype "
                f"{' or '.join(dtypes)}, not of shape {array.shape} and dtype {dtype}"
            )
        if not array.flags.c_contiguous:
            raise InputError(f"{label} is not contiguous in memory: np.ascontiguousarray makes it so")
        found.append(Memory(label, view(reshape(array, -1), np.uint8), argument.type.item, host=True))
    return tuple(found)
