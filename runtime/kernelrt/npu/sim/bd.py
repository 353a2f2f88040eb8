"""BDs and tasks, with their names resolved and their patterns compiled."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from kernelrt.npu.bd import Bd, LockUse
from kernelrt.npu.errors import SimulationError
from kernelrt.npu.hardware import Direction
from kernelrt.npu.place import Place
from kernelrt.npu.sim.locks import SimLock
from kernelrt.npu.sim.memory import Memory
from kernelrt.npu.sim.pattern import Pattern, PatternError


@dataclass(frozen=True, slots=True)
class SimBd:
    """A BD whose names are resolved and whose pattern is compiled. `place` is where messages say it stands."""

    memory: Memory
    pattern: Pattern
    acquire: tuple[SimLock, Literal["ge", "eq"], int] | None
    release: tuple[SimLock, int] | None
    packet: int | None
    next: int | None
    where: Place
    place: str

    @staticmethod
    def of(bd: Bd, memory: Memory, direction: Direction, locks: Mapping[str, SimLock], place: str) -> "SimBd":
        """Raises:
        SimulationError: it reaches outside of the memory, or is no transfer at all.
        """
        try:
            pattern = Pattern.of(bd, memory.item, direction == "S2MM")
        except PatternError as e:
            raise SimulationError(f"{place}: the BD of {memory.label}: {e}") from e
        if pattern.size == 0:
            raise SimulationError(f"{place}: the BD of {memory.label} has length 0: nothing would move, without end")
        if pattern.end > len(memory.data):
            verb = "reads" if direction == "MM2S" else "writes"
            raise SimulationError(
                f"{place}: the BD {verb} bytes {pattern.start} to {pattern.end} of {memory.label}, which has "
                f"{len(memory.data)}: check offset, length, sizes and strides"
            )
        acquire, release = bd.acquire, bd.release
        return SimBd(
            memory,
            pattern,
            None if acquire is None else (locks[acquire.lock], _action(acquire), acquire.value),
            None if release is None else (locks[release.lock], release.value),
            bd.packet,
            bd.next,
            bd.where,
            place,
        )


def _action(use: LockUse) -> Literal["ge", "eq"]:
    return "eq" if use.action == "eq" else "ge"


class Task:
    """A chain of BDs, run `repeat` times more. `pending`: how often it was started and has not ended."""

    __slots__ = ("bds", "pending", "place", "repeat", "token")

    def __init__(self, bds: Sequence[SimBd], repeat: int, token: bool, place: str) -> None:
        self.bds = tuple(bds)
        self.repeat = repeat
        self.token = token
        self.place = place
        self.pending = 0

    @property
    def host(self) -> bool:
        """Whether it reads or writes memory of the host."""
        return any(bd.memory.host for bd in self.bds)
