"""Which BDs of a tile the runtime sequence has given to which task."""

from collections.abc import Iterable

from kernelrt.npu import hardware
from kernelrt.npu.bd import Bd
from kernelrt.npu.errors import SimulationError
from kernelrt.npu.hardware import Direction, Tile
from kernelrt.npu.place import Place
from kernelrt.npu.sim.bd import Task


class BdTable:
    """Numbers are those that a BD asks for, else the lowest that is free, as mlir-aie gives them.
    A table lives as long as the machine: a task of the run before may still be under way."""

    def __init__(self, static: Iterable[tuple[Tile, Direction, int, tuple[Bd, ...]]]) -> None:
        self._static: dict[Tile, set[int]] = {}
        self._taken: dict[Tile, set[int]] = {}
        self._last: dict[tuple[Tile, int], Task] = {}
        channels = list(static)
        for tile, _, _, bds in channels:
            self._static.setdefault(tile, set()).update(bd.id for bd in bds if bd.id is not None)
        for tile, _, index, bds in channels:
            for bd in bds:
                if bd.id is None:
                    free = (i for i in hardware.bds_of_channel(tile, index) if i not in self._static[tile])
                    self._static[tile].update([next(free, -1)])

    def start(self) -> None:
        """A sequence begins: what the one before configured is free for it."""
        self._taken = {tile: set(ids) for tile, ids in self._static.items()}

    def pick(self, tile: Tile, channel: int, bds: Iterable[Bd], place: str) -> tuple[int, ...]:
        """Numbers for the BDs of a task.

        Raises:
            SimulationError: the tile has no more.
        """
        taken = set(self._taken.get(tile, ()))
        numbers: list[int] = []
        known: dict[Place, int] = {}  # a BD that iterates comes as several with one place (text.iteration)
        for bd in bds:
            if bd.where in known:
                continue
            free = (i for i in hardware.bds_of_channel(tile, channel) if i not in taken)
            number = bd.id if bd.id is not None else next(free, None)
            if number is None:
                raise SimulationError(
                    f"{place}: {hardware.name(tile)} has no BD left for this task: await and free earlier tasks"
                )
            taken.add(number)
            known[bd.where] = number
            numbers.append(number)
        return tuple(numbers)

    def in_use(self, tile: Tile, numbers: Iterable[int]) -> tuple[int, Task] | None:
        """A number that the DMA still needs, and the task that it belongs to."""
        for number in numbers:
            last = self._last.get((tile, number))
            if last is not None and last.pending:
                return number, last
        return None

    def give(self, tile: Tile, numbers: Iterable[int], task: Task) -> None:
        """The BDs say from now on what `task` wrote into them."""
        for number in numbers:
            self._taken.setdefault(tile, set()).add(number)
            self._last[tile, number] = task

    def holds(self, tile: Tile, numbers: Iterable[int], task: Task) -> bool:
        """Whether the BDs still say what `task` wrote into them."""
        return all(self._last[tile, number] is task for number in numbers)

    def free(self, tile: Tile, numbers: Iterable[int]) -> None:
        self._taken.setdefault(tile, set()).difference_update(numbers)
