"""The limits of the first XDNA NPU ("npu1", Phoenix and Hawk Point): what a design must respect.

Sources: AMD's AM020 and AM025 (Versal AIE-ML architecture and registers) and mlir-aie's target model for npu1.
"""

from dataclasses import dataclass
from typing import Literal

Direction = Literal["MM2S", "S2MM"]  # memory to stream, stream to memory
Kind = Literal["shim", "memory", "compute"]

ROWS = 6
# npu1 is all four columns that the driver lends. npu1_4col is its older name.
COLUMNS = {"npu1": 4, "npu1_1col": 1, "npu1_2col": 2, "npu1_3col": 3, "npu1_4col": 4}
GRANULE = 4  # bytes: a DMA addresses and moves words of 32 bits
STACK = 1024  # bytes of a core's stack where the design does not say
LOCK_VALUES = range(64)  # what a lock counts
LOCK_CHANGES = range(-64, 64)  # what a release adds: seven bits, signed
PACKET_IDS = range(32)
PACKET_TYPES = range(8)
QUEUE = 4  # tasks that wait in a channel's queue
REPEATS = range(256)  # a task's repeat count: eight bits of the queue's register
ITERATIONS = 64  # executions of a BD that an iteration counts: six bits
MAX_PADS = (63, 31, 15)  # words before or after the innermost, second and third dimension of a memory tile's BD
# Registers of each kind of tile: its locks, 16 bytes each; the control and the queue of its channels, 8 bytes together,
# first of all S2MM, then of all MM2S.
LOCK_REGISTERS: dict[Kind, int] = {"shim": 0x14000, "memory": 0xC0000, "compute": 0x1F000}
CHANNEL_REGISTERS: dict[Kind, int] = {"shim": 0x1D200, "memory": 0xA0600, "compute": 0x1DE00}


@dataclass(frozen=True, slots=True, order=True)
class Tile:
    """Column and row: row 0 is the shim, row 1 the memory tile, rows 2 to 5 are compute tiles."""

    column: int
    row: int


@dataclass(frozen=True, slots=True)
class Limits:
    """What one tile of a kind has. `wraps` and `steps` are the largest size and stride (in words) of a BD's dimension,
    `neighbours` how many of the first channels reach the memories of the tiles beside a memory tile."""

    memory: int
    locks: int
    bds: int
    channels: int
    dimensions: int
    wraps: int
    steps: int
    neighbours: int


LIMITS: dict[Kind, Limits] = {
    "shim": Limits(0, 16, 16, 2, 3, 2**10 - 1, 2**20, 0),
    "memory": Limits(512 * 1024, 64, 48, 6, 4, 2**10 - 1, 2**17, 4),
    "compute": Limits(64 * 1024, 16, 16, 2, 3, 2**8 - 1, 2**13, 0),
}
NAMES: dict[Kind, str] = {"shim": "shim tile", "memory": "memory tile", "compute": "compute tile"}


def kind(tile: Tile) -> Kind:
    """Which kind of tile stands in a row."""
    return "shim" if tile.row == 0 else "memory" if tile.row == 1 else "compute"


def limits(tile: Tile) -> Limits:
    return LIMITS[kind(tile)]


def name(tile: Tile) -> str:
    """How messages call it: `compute tile (0, 2)`."""
    return f"{NAMES[kind(tile)]} ({tile.column}, {tile.row})"


def reaches(tile: Tile, memory: Tile) -> bool:
    """Whether `tile` loads from, stores to and locks in the memory of `memory` without a stream.

    A compute tile reaches its own memory and those west, north and south of it (not the memory tile below row 2); a
    memory tile's DMA its own and those of the memory tiles beside it; a shim tile its own locks.
    """
    if kind(tile) != kind(memory):
        return False
    east, north = memory.column - tile.column, memory.row - tile.row
    if kind(tile) == "compute":
        return (east, north) in ((0, 0), (-1, 0), (0, 1), (0, -1))
    return north == 0 and (east == 0 or (kind(tile) == "memory" and abs(east) == 1))


def share(one: Tile, other: Tile) -> bool:
    """Whether there is memory that both tiles reach: that of one of them."""
    return reaches(one, other) or reaches(other, one)


def bds_of_channel(tile: Tile, index: int) -> range:
    """The ids of the BDs that a channel can use: on a memory tile even channels reach 0 to 23, odd ones 24 to 47."""
    if kind(tile) != "memory":
        return range(limits(tile).bds)
    return range(24) if index % 2 == 0 else range(24, 48)


def stream_ports(tile: Tile, bundle: str, direction: Direction) -> int:
    """How many ports of a bundle feed the tile's stream switch (MM2S) or are fed by it (S2MM), as ends of a flow."""
    if bundle == "DMA":
        return limits(tile).channels
    if bundle in ("TileControl", "Ctrl"):
        return 1
    if kind(tile) == "compute":
        counts = {"Core": (1, 1), "Trace": (2, 0), "FIFO": (1, 1)}
    elif kind(tile) == "memory":
        counts = {"Trace": (1, 0)}
    else:
        counts = {"Trace": (1, 0), "FIFO": (1, 1), "South": (8, 6)}
    return counts.get(bundle, (0, 0))[direction == "S2MM"]
