"""A design for the NPU as data: what an `aie.device` says, resolved and free of syntax.

Sizes, offsets and strides count elements of the buffer's dtype unless a name says bytes. `where` is the place in the
text that an error names. Terms are mlir-aie's: https://github.com/Xilinx/mlir-aie (include/aie/Dialect).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Direction = Literal["MM2S", "S2MM"]  # memory to stream, stream to memory
Bundle = Literal["DMA", "Core", "Trace", "TileControl", "Ctrl", "FIFO", "North", "South", "East", "West"]


@dataclass(frozen=True, slots=True)
class Place:
    """Line and column of the text, from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True, order=True)
class Tile:
    """Column and row: row 0 is the shim, row 1 the memory tile, rows 2 to 5 are compute tiles."""

    column: int
    row: int


@dataclass(frozen=True, slots=True)
class Memref:
    """A dtype of MLIR (bf16, f32, i8, i32, ...) and a static shape."""

    dtype: str
    shape: tuple[int, ...]


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
class LockUse:
    """`acquire`: wait until the lock is at least `value` ("ge") or exactly it ("eq"), and take it off; else release:
    add it."""

    lock: str
    action: Literal["ge", "eq", "release"]
    value: int


@dataclass(frozen=True, slots=True)
class Dim:
    size: int
    stride: int


@dataclass(frozen=True, slots=True)
class Pad:
    """Zeros (the DMA's constant) before and after a dimension, in elements."""

    before: int
    after: int


@dataclass(frozen=True, slots=True)
class Bd:
    """A buffer descriptor. `buffer` names a Buffer, or an argument of the sequence. Without `dims`, `length` elements
    from `offset` on. `next` is the index within the channel's chain of the one behind it (None: the chain ends).

    Dimensions are outermost first. A shim's may be four: the outermost is the BD's iteration, counted in `length`."""

    buffer: str
    offset: int
    length: int
    dims: tuple[Dim, ...]
    pads: tuple[Pad, ...]
    acquire: LockUse | None
    release: LockUse | None
    packet: int | None
    id: int | None
    next: int | None
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
class FifoEnd:
    """One end of an objectfifo. `depth`: objects in its tile's memory. `dims`: dimensionsToStream of the producer, or
    FromStream of a consumer. `allocate`: another tile whose memory holds the objects (aie.objectfifo.allocate).
    `channel`: the DMA channel (MM2S of the producer, S2MM of a consumer) that mlir-aie's lowering gives this end; None
    where the ends share memory."""

    tile: Tile
    depth: int
    dims: tuple[Dim, ...]
    pads: tuple[Pad, ...]
    allocate: Tile | None
    channel: int | None = None


@dataclass(frozen=True, slots=True)
class Fifo:
    """An objectfifo. `via_dma`: by streams even where the tiles share memory (asked for, or because of dimensions, a
    repeat or a link). `repeat`: how often the producer's DMA sends each object. `initial`: contents of the first
    objects, which the consumer finds there. `synchronized`: false where its locks are left out
    (disable_synchronization)."""

    name: str
    type: Memref
    producer: FifoEnd
    consumers: tuple[FifoEnd, ...]
    via_dma: bool
    repeat: int
    initial: tuple[bytes, ...]
    where: Place
    synchronized: bool = True


@dataclass(frozen=True, slots=True)
class Link:
    """Objects of the sources become objects of the targets in a shared tile: one to one, joined at `source_offsets`, or
    distributed at `target_offsets` (elements)."""

    sources: tuple[str, ...]
    targets: tuple[str, ...]
    source_offsets: tuple[int, ...]
    target_offsets: tuple[int, ...]
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
class Argument:
    name: str
    type: Memref


# Instructions of a runtime sequence, in their order. `task` numbers are given in the order of configuration.


@dataclass(frozen=True, slots=True)
class ConfigureTask:
    """A chain of BDs for a channel (dma_configure_task(_for), dma_memcpy_nd, dma_start_bd_chain), not started yet."""

    task: int
    channel: tuple[Tile, Direction, int]
    bds: tuple[Bd, ...]
    repeat: int
    issue_token: bool
    where: Place


@dataclass(frozen=True, slots=True)
class StartTask:
    task: int
    where: Place


@dataclass(frozen=True, slots=True)
class AwaitTask:
    task: int
    where: Place


@dataclass(frozen=True, slots=True)
class FreeTask:
    task: int
    where: Place


@dataclass(frozen=True, slots=True)
class Sync:
    """Waits for a token of a channel (npu.sync, npu.dma_wait)."""

    channel: tuple[Tile, Direction, int]
    where: Place


@dataclass(frozen=True, slots=True)
class RtpWrite:
    """Writes the bits that `mask` has of one 32-bit word of a buffer; `index` counts words."""

    buffer: str
    index: int
    value: int
    where: Place
    mask: int = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class SetLock:
    lock: str
    value: int
    where: Place


@dataclass(frozen=True, slots=True)
class Write32:
    """A register or memory write by address within a tile."""

    tile: Tile
    address: int
    value: int
    mask: int
    where: Place


Instruction = ConfigureTask | StartTask | AwaitTask | FreeTask | Sync | RtpWrite | SetLock | Write32


@dataclass(frozen=True, slots=True)
class RuntimeSequence:
    name: str
    arguments: tuple[Argument, ...]
    instructions: tuple[Instruction, ...]
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
