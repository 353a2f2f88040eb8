"""Objects of objectfifos in a tile, with the locks that count them."""

from dataclasses import dataclass
from typing import Literal

from kernelrt.npu.fifo import Fifo
from kernelrt.npu.memref import Memref


@dataclass(frozen=True, slots=True)
class Part:
    """A part of each object of a pool that has locks of its own, in elements. Without locks where the fifo is not
    synchronised."""

    offset: int
    length: int
    free: str | None
    full: str | None


@dataclass(frozen=True, slots=True)
class Pool:
    """Objects in one tile. `units`: how often each is sent, and so what one is worth in its locks."""

    type: Memref
    objects: tuple[str, ...]
    parts: tuple[Part, ...]
    units: int


@dataclass(frozen=True, slots=True)
class CoreEnd:
    """A fifo as a core sees it. `acquire` and `release` are locks."""

    fifo: Fifo
    port: Literal["Produce", "Consume"]
    pool: Pool

    @property
    def acquire(self) -> str | None:
        part = self.pool.parts[0]
        return part.free if self.port == "Produce" else part.full

    @property
    def release(self) -> str | None:
        part = self.pool.parts[0]
        return part.full if self.port == "Produce" else part.free
