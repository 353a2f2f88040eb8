"""A core's end of an objectfifo: which objects it holds."""

from collections.abc import Mapping

from kernelrt.npu.errors import SimulationError
from kernelrt.npu.place import Place
from kernelrt.npu.sim.locks import SimLock
from kernelrt.npu.sim.memory import Memory
from kernelrt.npu.sim.pools import CoreEnd
from kernelrt.npu.sim.scheduler import Actor


class FifoPort:
    """`first`: the number (from the design's start) of the oldest object that the core holds. `held`: how many.
    `watched`: what the core reads and writes is seen byte by byte, so objects need not be whole."""

    __slots__ = ("_consumes", "_gets", "_gives", "_objects", "_pointers", "_units", "_watched", "first", "held", "name")

    def __init__(
        self, end: CoreEnd, memories: Mapping[str, Memory], locks: Mapping[str, SimLock], watched: bool
    ) -> None:
        self.name = end.fifo.name
        self.first = 0
        self.held = 0
        self._consumes = end.port == "Consume"
        self._watched = watched
        self._units = end.pool.units if end.port == "Produce" else 1
        self._objects = [memories[name] for name in end.pool.objects]
        self._pointers = [memory.pointer for memory in self._objects]
        self._gets = locks[end.acquire] if end.acquire is not None else None
        self._gives = locks[end.release] if end.release is not None else None

    def acquire(self, actor: Actor, count: int, where: Place, place: str) -> bool:
        """Holds `count` objects from now on, those it has among them; False where `actor` has to wait for them.

        Raises:
            SimulationError: the fifo has fewer, or one that is consumed was not produced whole.
        """
        if count > len(self._objects):
            raise SimulationError(
                f"{place}: {actor.name} acquires {count} objects of {self.name}, which has {len(self._objects)} there: "
                "it would wait for ever; give that end a larger depth"
            )
        missing = count - self.held
        if missing <= 0:
            return True
        if self._gets is not None and not self._gets.acquire(actor, "ge", missing * self._units, where, self.name):
            return False
        self.held = count
        if self._consumes and self._gets is not None and not self._watched:
            for number in range(self.first + count - missing, self.first + count):
                memory = self._objects[number % len(self._objects)]
                if memory.valid is not None:
                    raise SimulationError(
                        f"{place}: {actor.name} acquires {memory.label} before all of its {len(memory.data)} bytes "
                        "were written"
                    )
        return True

    def access(self, actor: Actor, subview: int, index: int, place: str) -> int:
        """The address of an object of a subview, which is named by the number of its first object."""
        number = subview + index
        if not self.first <= number < self.first + self.held:
            gone = "which it has released" if number < self.first else f"but it holds {self.held}"
            raise SimulationError(f"{place}: {actor.name} uses object {index} of {self.name}, {gone}")
        return self._pointers[number % len(self._pointers)]

    def release(self, actor: Actor, count: int, place: str) -> None:
        """Gives its `count` oldest objects to the other end."""
        if count > self.held:
            raise SimulationError(
                f"{place}: {actor.name} releases {count} objects of {self.name} and holds {self.held}: "
                "acquire them first"
            )
        if not self._consumes and not self._watched:
            for number in range(self.first, self.first + count):
                self._objects[number % len(self._objects)].wrote_all()
        self.first += count
        self.held -= count
        if count and self._gives is not None:
            self._gives.release(count * self._units, actor.clock, actor.name)
