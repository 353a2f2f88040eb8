"""DMA programs as data: buffer descriptors, the chains that channels run, and the locks around them."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

Direction = Literal["S2MM", "MM2S"]
Dims = tuple[tuple[int, int], ...]  # (size, stride) in elements, outermost first


@dataclass(frozen=True, slots=True)
class Use:
    """Waits until the lock is at least `value` and takes it off, or adds it."""

    lock: str
    value: int = 1


@dataclass(frozen=True, slots=True)
class Bd:
    """Elements of a buffer of MLIR type `type`: `length` from `offset` on, or along `dims`."""

    buffer: str
    type: str
    offset: int
    length: int
    dims: Dims = ()
    acquire: Use | None = None
    release: Use | None = None

    def __str__(self) -> str:
        """The aie.dma_bd."""
        sizes = ", ".join(f"<size = {size}, stride = {stride}>" for size, stride in self.dims)
        dims = f", [{sizes}]" if sizes else ""
        return f"aie.dma_bd(%{self.buffer} : {self.type}, {self.offset}, {self.length}{dims})"


@dataclass(frozen=True, slots=True)
class Chain:
    """What a channel runs again and again."""

    direction: Direction
    index: int
    bds: tuple[Bd, ...]


@dataclass(frozen=True, slots=True)
class Buffer:
    name: str
    type: str
    nbytes: int


@dataclass(frozen=True, slots=True)
class Tile:
    """A compute tile: `row` is the first query of a pass that is its."""

    name: str
    row: int
    locks: tuple[tuple[str, int], ...]
    chains: tuple[Chain, ...]


@dataclass(frozen=True, slots=True)
class Column:
    """A memory tile and the compute tiles above it."""

    index: int
    tiles: tuple[Tile, ...]
    buffers: tuple[Buffer, ...]
    locks: tuple[tuple[str, int], ...]
    chains: tuple[Chain, ...]


@lru_cache(maxsize=256)  # transfers of a plan ask for the same few thousands of times
def memref(shape: int | tuple[int, ...], dtype: str) -> str:
    """MLIR's type of a buffer; a number is a shape of one dimension."""
    sizes = (shape,) if isinstance(shape, int) else shape
    return f"memref<{'x'.join(map(str, sizes))}x{dtype}>"


def counted(chains: Iterable[Chain]) -> tuple[tuple[tuple[str, int], int], ...]:
    """BDs by channel, for a budget."""
    return tuple(((chain.direction, chain.index), len(chain.bds)) for chain in chains)


def blocked(rows: int, columns: int, tall: int, wide: int, length: int) -> Dims:
    """The dimensions that read rows of `length` elements (rows x columns of them) as blocks of tall x wide."""
    return ((rows // tall, tall * length), (columns // wide, wide), (tall, length), (wide, 1))


def unblocked(rows: int, columns: int, tall: int, wide: int) -> Dims:
    """The dimensions that read blocks of tall x wide, row by row of blocks, as rows of `columns` elements."""
    return ((rows // tall, tall * columns), (tall, wide), (columns // wide, tall * wide), (wide, 1))
