"""What a design takes of each kind of tile against what it has; what does not fit is refused with what was counted."""

from dataclasses import dataclass

from kernelrt.errors import InputError
from kernelrt.npu.hardware import LIMITS, NAMES, Kind

STACK = 2048  # bytes of a core's stack: the sums of a loop that do not fit in registers


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

    def channels(self, direction: str) -> int:
        return len({channel for channel, _ in self.bds if channel[0] == direction})

    def faults(self) -> list[str]:
        """What is more than the tile has."""
        limits = LIMITS[self.kind]
        found: list[str] = []
        if limits.memory and self.memory > limits.memory:
            counted = " + ".join(f"{name} {nbytes}" for name, nbytes in self.buffers)
            found.append(f"{self.memory} of {limits.memory} bytes ({counted})")
        for direction in ("S2MM", "MM2S"):
            if self.channels(direction) > limits.channels:
                found.append(f"{self.channels(direction)} of {limits.channels} {direction} channels")
        found += self._bd_faults(limits.bds)
        if self.locks > limits.locks:
            found.append(f"{self.locks} of {limits.locks} locks")
        return found

    def _bd_faults(self, most: int) -> list[str]:
        """A memory tile's even channels reach the first half of its BDs, odd ones the second."""
        if self.kind != "memory":
            total = sum(count for _, count in self.bds)
            return [f"{total} of {most} BDs ({_listed(self.bds)})"] if total > most else []
        found: list[str] = []
        for parity, name in ((0, "even"), (1, "odd")):
            mine = tuple((channel, count) for channel, count in self.bds if channel[1] % 2 == parity)
            total = sum(count for _, count in mine)
            if total > most // 2:
                found.append(f"{total} of {most // 2} BDs of {name} channels ({_listed(mine)})")
        return found


def _listed(bds: tuple[tuple[tuple[str, int], int], ...]) -> str:
    return " + ".join(f"{direction} {index}: {count}" for (direction, index), count in bds)


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
