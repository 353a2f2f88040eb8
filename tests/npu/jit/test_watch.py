"""Reads of memory that nothing has written."""

import numpy as np
import pytest

from kernelrt.npu.jit.core import CompiledCore, Shadow, UnwrittenError
from tests.npu.jit.harness import compiled, no_call

BUFFERS = {"a": "memref<32xf32>", "b": "memref<32xf32>"}


class Memory:
    """`a`, then `b`, then a shadow of both."""

    def __init__(self) -> None:
        self.bytes = np.zeros(512, np.uint8)
        self.marks = self.bytes[256:]

    def run(self, core: CompiledCore, shadowed: bool = True) -> None:
        start = self.bytes.ctypes.data
        at = {"a": start, "b": start + 128}
        core.run([at[name] for name in core.buffers], no_call, Shadow(start, 256, 256) if shadowed else None)


def program(body: str, watch: bool = True) -> CompiledCore:
    constants = "".join(f"%c{n} = arith.constant {n} : index\n" for n in (0, 1, 3, 16))
    return compiled(f"{constants}{body}\naie.end", BUFFERS, watch=watch)


COPY = """%v = vector.load %a[%c0] : memref<32xf32>, vector<16xf32>
vector.store %v, %b[%c3] : memref<32xf32>, vector<16xf32>"""


def test_a_read_of_what_was_written_is_fine_and_a_store_counts_as_writing() -> None:
    memory = Memory()
    memory.marks[:64] = 1
    memory.run(program(COPY))
    assert np.flatnonzero(memory.marks[128:]).tolist() == list(range(12, 76))
    memory.run(program("%x = memref.load %b[%c3] : memref<32xf32>\nmemref.store %x, %a[%c16] : memref<32xf32>"))
    assert memory.marks[64:68].all()


@pytest.mark.parametrize("missing", [0, 33, 63])
def test_one_byte_that_is_missing_is_found(missing: int) -> None:
    memory = Memory()
    memory.marks[:64] = 1
    memory.marks[missing] = 0
    with pytest.raises(UnwrittenError) as caught:
        memory.run(program(COPY))
    assert (caught.value.address, caught.value.size) == (memory.bytes.ctypes.data, 64)


def test_the_first_bad_read_is_the_one_that_is_told() -> None:
    memory = Memory()
    body = """%x = memref.load %a[%c1] : memref<32xf32>
    %y = memref.load %b[%c3] : memref<32xf32>
    %z = arith.addf %x, %y : f32
    memref.store %z, %a[%c0] : memref<32xf32>"""
    with pytest.raises(UnwrittenError, match=r"read 4 bytes at address 0x"):
        memory.run(program(body))


def test_copies_and_the_stack() -> None:
    memory = Memory()
    memory.marks[:128] = 1
    memory.run(
        program(
            """%t = memref.alloca() : memref<32xf32>
            memref.copy %a, %t : memref<32xf32> to memref<32xf32>
            memref.copy %t, %b : memref<32xf32> to memref<32xf32>"""
        )
    )
    assert memory.marks.all()


def test_without_watching_nothing_is_checked() -> None:
    memory = Memory()
    memory.run(program(COPY, watch=False))
    memory.run(program(COPY), shadowed=False)
    assert not memory.marks.any()
