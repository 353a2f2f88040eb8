"""Objectfifos: what cores see instead of buffers, locks and DMA channels."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kernelrt.npu.bd import Dim, Pad
from kernelrt.npu.hardware import Direction, Tile, reaches, share
from kernelrt.npu.memref import Memref
from kernelrt.npu.place import Place


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

    @property
    def ends(self) -> tuple[tuple[FifoEnd, Direction], ...]:
        """Each end, and which way its DMA moves the objects."""
        return (self.producer, "MM2S"), *((end, "S2MM") for end in self.consumers)

    @property
    def shares_memory(self) -> bool:
        """Whether both ends use the same objects, so that no DMA moves them."""
        return not self.via_dma and len(self.consumers) == 1 and share(self.producer.tile, self.consumers[0].tile)

    @property
    def home(self) -> Tile:
        """The tile in whose memory the objects of a fifo that shares memory are."""
        producer, consumer = self.producer, self.consumers[0]
        return producer.allocate or (producer.tile if reaches(consumer.tile, producer.tile) else consumer.tile)


@dataclass(frozen=True, slots=True)
class Link:
    """Objects of the sources become objects of the targets in a shared tile: one to one, joined at `source_offsets`, or
    distributed at `target_offsets` (elements)."""

    sources: tuple[str, ...]
    targets: tuple[str, ...]
    source_offsets: tuple[int, ...]
    target_offsets: tuple[int, ...]
    where: Place

    def tile(self, fifos: Mapping[str, Fifo]) -> Tile:
        """The shared tile: where all targets begin."""
        return fifos[self.targets[0]].producer.tile


def linked(links: Iterable[Link]) -> dict[str, Link]:
    """The link that a fifo is in, by the fifo's name."""
    return {name: link for link in links for name in (*link.sources, *link.targets)}
