"""What a design takes of each kind of tile against what it has; what does not fit is refused with what was counted.

NOTES: program memory (16 KiB a core) is not counted. How many bytes a core's body takes is decided by Peano, which
unrolls and pipelines its loops, and neither its text nor another compiler's code tells. A core that is too long fails
the build of the xclbin: in Peano's linker, or with a mlir-aie before that of August 2026 (its pull request 3618) in
the loader of its ELF files, as "Overflow of program memory". Peano may also put constants of its own beside the
buffers, and STACK is what is reserved, not what its frames were seen to take.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass

from kernelrt.errors import InputError
from kernelrt.npu.hardware import LIMITS, NAMES, Kind

STACK = 2048  # bytes of a core's stack: the sums of a loop that do not fit in registers
NOT_COUNTED = "program memory (16384 bytes a core) and constants that Peano adds: no one but Peano knows them"


@dataclass(frozen=True, slots=True)
class Count:
    """How much a tile has of something (`of`), and what is taken of it, in all and in parts."""

    what: str
    taken: int
    of: int
    parts: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.taken} of {self.of} {self.what}"

    @property
    def fault(self) -> str | None:
        """With the parts, where too much is taken."""
        if self.taken <= self.of:
            return None
        return f"{self} ({' + '.join(self.parts)})" if self.parts else str(self)


@dataclass(frozen=True, slots=True)
class Tally:
    """What one tile of a kind takes: buffers in bytes by name, BDs by channel ("MM2S", 0), locks."""

    kind: Kind
    buffers: tuple[tuple[str, int], ...]
    bds: tuple[tuple[tuple[str, int], int], ...]
    locks: int

    @property
    def memory(self) -> int:
        return sum(nbytes for _, nbytes in self.buffers)

    def counts(self) -> Iterator[Count]:
        """All that is counted."""
        limits = LIMITS[self.kind]
        if limits.memory:
            parts = tuple(f"{name} {nbytes}" for name, nbytes in self.buffers)
            yield Count("bytes", self.memory, limits.memory, parts)
        for direction in ("S2MM", "MM2S"):
            channels = {channel for channel, _ in self.bds if channel[0] == direction}
            yield Count(f"{direction} channels", len(channels), limits.channels)
        if self.kind == "memory":  # its even channels reach the first half of its BDs, odd ones the second
            yield self._bds("BDs of even channels", (0,), limits.bds // 2)
            yield self._bds("BDs of odd channels", (1,), limits.bds // 2)
        else:
            yield self._bds("BDs", (0, 1), limits.bds)
        yield Count("locks", self.locks, limits.locks)

    def _bds(self, what: str, parities: tuple[int, ...], most: int) -> Count:
        mine = [(channel, count) for channel, count in self.bds if channel[1] % 2 in parities]
        parts = tuple(f"{direction} {index}: {count}" for (direction, index), count in mine)
        return Count(what, sum(count for _, count in mine), most, parts)

    def faults(self) -> list[str]:
        """What is more than the tile has."""
        return [fault for count in self.counts() if (fault := count.fault)]


@dataclass(frozen=True, slots=True)
class Budget:
    """The fullest tile of each kind."""

    tallies: tuple[Tally, ...]

    def memory(self, kind: Kind) -> int:
        """Bytes taken of a tile of a kind."""
        return max((tally.memory for tally in self.tallies if tally.kind == kind), default=0)

    def faults(self) -> list[str]:
        return [f"{NAMES[tally.kind]}: {fault}" for tally in self.tallies for fault in tally.faults()]

    def check(self, name: str) -> None:
        """Raises InputError with all that was counted where a tile has too little."""
        faults = self.faults()
        if faults:
            raise InputError(f"{name} does not fit the NPU: {'; '.join(faults)}")

    def describe(self) -> dict[str, object]:
        """As plain JSON values, by the kind of tile."""
        found: dict[str, object] = {
            NAMES[tally.kind]: {
                "buffers": dict(tally.buffers),
                "counts": [asdict(count) for count in tally.counts()],
            }
            for tally in self.tallies
        }
        return {**found, "not counted": NOT_COUNTED}

    def lines(self) -> Iterator[str]:
        """The table of what was counted."""
        for tally in self.tallies:
            yield f"fullest {NAMES[tally.kind]}:"
            for count in tally.counts():
                yield f"  {count.taken:7} of {count.of:7} {count.what}" + (
                    f" ({' + '.join(count.parts)})" if count.parts else ""
                )
        yield f"not counted: {NOT_COUNTED}"
