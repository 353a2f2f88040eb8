"""One core on its own: its body compiled, run on NumPy arrays, its calls recorded."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from kernelrt.npu.design import Buffer, Core, Lock
from kernelrt.npu.fifo import Fifo, FifoEnd
from kernelrt.npu.hardware import Tile
from kernelrt.npu.jit.compile import compile_core
from kernelrt.npu.jit.core import CompiledCore
from kernelrt.npu.memref import Memref
from kernelrt.npu.place import Place

TILE = Tile(0, 2)
BODY = Place(10, 5)  # where bodies of these tests stand in their file
DTYPES = {"f32": np.float32, "i8": np.int8, "i16": np.int16, "i32": np.int32, "i64": np.int64, "bf16": np.uint16}


def parse_memref(text: str) -> Memref:
    *shape, dtype = text.removeprefix("memref<").removesuffix(">").split("x")
    return Memref(dtype, tuple(map(int, shape)))


def core_of(body: str, buffers: Mapping[str, str] | None = None, **fields: object) -> Core:
    names = {f"%{name}": ("buffer", name) for name in buffers or {}}
    names |= {f"%{name}": ("lock", name) for name in re.findall(r"use_lock\"?\(%(\w+)", body)}
    values = {"names": names, "preamble": "", "stack_bytes": 1024, "link_with": None, **fields}
    return Core(TILE, body, where=BODY, **values)  # pyright: ignore[reportArgumentType]  # the fields are the test's


def compiled(
    body: str,
    buffers: Mapping[str, str] | None = None,
    fifos: Mapping[str, str] | None = None,
    watch: bool = False,
    **fields: object,
) -> CompiledCore:
    """`buffers` and `fifos`: names and types as MLIR writes them. Every lock that is used is there."""
    core = core_of(body, buffers, **fields)
    memory = {n: Buffer(n, TILE, parse_memref(t), None, None, Place(1, 1)) for n, t in (buffers or {}).items()}
    end = FifoEnd(TILE, 2, (), (), None)
    objects = {n: Fifo(n, parse_memref(t), end, (end,), False, 1, (), Place(2, 1)) for n, t in (fifos or {}).items()}
    locks = {n: Lock(n, TILE, None, 0, Place(1, 1)) for kind, n in core.names.values() if kind == "lock"}
    return compile_core(core, memory, objects, locks, "test.mlir", watch)


def array(type_: str) -> np.ndarray:
    memref = parse_memref(type_)
    return np.zeros(memref.shape, DTYPES[memref.dtype])


def run(body: str, *preamble: str, **arrays: tuple[str, np.ndarray]) -> CompiledCore:
    """Runs a body that makes no calls; each array is a buffer of that type and is changed in place."""
    core = compiled(
        body + "\naie.end", {name: type_ for name, (type_, _) in arrays.items()}, preamble="\n".join(preamble)
    )
    for type_, data in arrays.values():
        memref = parse_memref(type_)
        assert data.shape == memref.shape
        assert data.dtype == DTYPES[memref.dtype]
        assert data.flags.c_contiguous
    core.run([arrays[name][1].ctypes.data for name in core.buffers], no_call)
    return core


def no_call(site: int, argument: int) -> int:
    raise AssertionError(f"unexpected call of site {site} with {argument}")


@dataclass
class Machine:
    """Answers calls with what `answers` give for a site, and remembers them."""

    core: CompiledCore
    answers: Callable[[int, int], int] = lambda site, argument: 0
    calls: list[tuple[str, str, int]] = field(default_factory=list)

    def __call__(self, site: int, argument: int) -> int:
        meaning = self.core.calls[site]
        self.calls.append((meaning.kind, meaning.name, argument))
        return self.answers(site, argument)


def bf16(values: np.ndarray) -> np.ndarray:
    """Bits of f32 rounded to the nearest even bf16."""
    bits = values.astype(np.float32).view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def f32(bits: np.ndarray) -> np.ndarray:
    return (bits.astype(np.uint32) << 16).view(np.float32)
