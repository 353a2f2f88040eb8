"""A design for the NPU as data: what an `aie.device` says, resolved and free of syntax.

Sizes, offsets and strides count elements of the buffer's dtype unless a name says bytes. `where` is the place in the
text that an error names. Terms are mlir-aie's: https://github.com/Xilinx/mlir-aie (include/aie/Dialect).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from kernelrt.npu.bd import Bd
from kernelrt.npu.fifo import Fifo, Link
from kernelrt.npu.hardware import Direction, Tile
from kernelrt.npu.instructions import RuntimeSequence
from kernelrt.npu.memref import Memref
from kernelrt.npu.place import Place

Bundle = Literal["DMA", "Core", "Trace", "TileControl", "Ctrl", "FIFO", "North", "South", "East", "West"]


@dataclass(frozen=True, slots=True)
class Buffer:
    """`initial`: its bytes at the start, where the design gives them. On a shim tile: an aie.external_buffer, memory of
    the host."""

    name: str
    tile: Tile
    type: Memref
    initial: bytes | None
    address: int | None
    where: Place


@dataclass(frozen=True, slots=True)
class Lock:
    name: str
    tile: Tile
    id: int | None
    init: int
    where: Place


@dataclass(frozen=True, slots=True)
class Channel:
    """What an `aie.mem`, `memtile_dma` or `shim_dma` starts on one channel: the chain that begins at bds[0], run
    `repeat` times more. Several for one channel wait in its queue, in their order."""

    tile: Tile
    direction: Direction
    index: int
    bds: tuple[Bd, ...]
    repeat: int
    where: Place


@dataclass(frozen=True, slots=True)
class Port:
    tile: Tile
    bundle: Bundle
    channel: int


@dataclass(frozen=True, slots=True)
class Flow:
    """A stream from one port to others (circuit switched), or of the packets with `packet` id."""

    source: Port
    targets: tuple[Port, ...]
    packet: int | None
    keep_header: bool
    where: Place


@dataclass(frozen=True, slots=True)
class Cascade:
    source: Tile
    target: Tile
    where: Place


@dataclass(frozen=True, slots=True)
class Core:
    """A core's program. `text` is the body between its braces, verbatim, its first character at `where`. `names` are
    the SSA values from outside that it may use ("%acc" -> ("buffer", "acc"); kinds buffer, lock, tile; for constants
    ("constant", "<the whole defining line>")). `preamble`: alias definitions and functions of the module and the device
    that it may use, as text. `link_with`: an object file that it needs, which no simulator can run."""

    tile: Tile
    text: str
    names: Mapping[str, tuple[str, str]]
    preamble: str
    stack_bytes: int
    link_with: str | None
    where: Place


@dataclass(frozen=True, slots=True)
class Design:
    """One `aie.device`. `file` is the name that messages carry."""

    file: str
    device: str
    tiles: tuple[Tile, ...]
    buffers: tuple[Buffer, ...]
    locks: tuple[Lock, ...]
    channels: tuple[Channel, ...]
    flows: tuple[Flow, ...]
    cascades: tuple[Cascade, ...]
    fifos: tuple[Fifo, ...]
    links: tuple[Link, ...]
    cores: tuple[Core, ...]
    sequences: tuple[RuntimeSequence, ...]
