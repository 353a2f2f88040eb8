"""Pieces of wrong designs, and what is asked of the error: its place, marked `§` in the text, and words of it."""

import pytest

from kernelrt.npu.errors import DesignError
from kernelrt.npu.text.load import load
from tests.npu.text.programs import TILES, device

MEMREF = "memref<16xi32>"
FIFO = f"!aie.objectfifo<{MEMREF}>"
SUBVIEW = f"!aie.objectfifosubview<{MEMREF}>"
BUFFER = f'%b = aie.buffer(%core2) {{sym_name = "b"}} : {MEMREF}\n'
HALVES = '%b = aie.buffer(%core2) {sym_name = "b"} : memref<64xbf16>\n'
LOCK = "%l = aie.lock(%core2)\n"
IN = f"aie.objectfifo @in(%shim, {{%core2}}, 2) : {FIFO}\n"


def core(body: str, tile: str = "%core2") -> str:
    return f"%c = aie.core({tile}) {{\n{body}\naie.end\n}}"


def mem(*bds: str, channel: str = "S2MM, 0", program: str = "mem(%core2)", at: str = "") -> str:
    """A DMA program with one channel, `at` before its operation."""
    listed = ", ".join(f"{{\n{bd}\n}}" for bd in bds)
    return f"%d = aie.{program} {{\n%q = {at}aie.dma({channel}) [{listed}]\naie.end\n}}"


def dims(*pairs: tuple[int, int]) -> str:
    """`[<size = a, stride = b>, ...]`."""
    return "[" + ", ".join(f"<size = {size}, stride = {stride}>" for size, stride in pairs) + "]"


def fifo(name: str, producer: str, consumer: str, depth: str = "1", element: str = MEMREF) -> str:
    return f"aie.objectfifo @{name}({producer}, {{{consumer}}}, {depth}) : !aie.objectfifo<{element}>\n"


def sequence(*lines: str) -> str:
    body = "\n".join(lines)
    return f"aie.runtime_sequence(%x: memref<256xi32>, %h: memref<256xbf16>) {{\n{body}\n}}"


def memcpy(offset: int, size: int, name: str = "x", fields: str = "id = 0 : i64, metadata = @in") -> str:
    """A sequence with one linear memcpy."""
    dtype = "i32" if name == "x" else "bf16"
    access = f"[0, 0, 0, {offset}][1, 1, 1, {size}][0, 0, 0, 1]"
    return sequence(f"§aiex.npu.dma_memcpy_nd(%{name}{access}) {{{fields}}} : memref<256x{dtype}>")


def refused(body: str, words: str) -> None:
    """Asserts that the design is refused, in one line, at its mark, with these words."""
    if "aie.device" not in body and "module" not in body:
        body = device(TILES + body)
    before, mark, after = body.partition("§")
    assert mark
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    with pytest.raises(DesignError) as caught:
        load(before + after, "wrong.mlir")
    message = str(caught.value)
    assert message.startswith(f"wrong.mlir:{line}:{column}: "), message
    assert words in message
    assert "\n" not in message
