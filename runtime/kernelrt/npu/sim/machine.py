"""The machine: what a design says, built and run."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import get_ident
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from kernelrt.errors import InputError
from kernelrt.npu.design import Core, Design
from kernelrt.npu.errors import DeadlockError, SimulationError
from kernelrt.npu.instructions import RuntimeSequence
from kernelrt.npu.sim.arguments import memories_of
from kernelrt.npu.sim.array import Array
from kernelrt.npu.sim.bd import Task
from kernelrt.npu.sim.compiled import compiler
from kernelrt.npu.sim.deadlock import explain
from kernelrt.npu.sim.dma import ToMemory
from kernelrt.npu.sim.program import Program
from kernelrt.npu.sim.report import Report
from kernelrt.npu.sim.sequence import Host, Reach
from kernelrt.npu.sim.streams import DEPTH

_ALONE = 1_000_000  # steps at most of what goes on before and after the host's sequence


@dataclass(frozen=True, slots=True)
class Options:
    """How a machine runs.

    `seed`: a random order of everything that can go on, which must change no result (None: the order of modelled time).
    `poison`: memory starts as NaNs, and cores are watched: a read of what nothing wrote is found byte by byte, where
    else all that a core could have written counts as written. Slower.
    `limit_s`: seconds after which a run is given up. `depth`: bytes that a stream holds (a multiple of 4).
    """

    seed: int | None = None
    poison: bool = False
    limit_s: float | None = None
    depth: int = DEPTH


class Simulator:
    """Runs the sequences of a design, one at a time and as often as asked; between runs it stays as the hardware would,
    cores blocked where they are. All runs of one Simulator belong in one thread. After an error it has to be reset.

    `programs` makes the program of a core (None: kernelrt.npu.jit compiles it).
    """

    def __init__(
        self, design: Design, options: Options | None = None, programs: Callable[[Core], Program] | None = None
    ) -> None:
        """Raises:
        SimulationError, DesignError: a core that cannot be compiled, a BD outside its memory.
        NpuError: a package that the simulator needs is missing.
        """
        self._design = design
        self._options = options or Options()
        self._programs = programs
        self._thread: int | None = None
        self._array = self._build()
        self._unfinished: list[Task] = []

    @property
    def design(self) -> Design:
        return self._design

    def reset(self) -> None:
        """As a machine that was just loaded with the design."""
        self._thread = None
        self._array = self._build()
        self._unfinished = []

    def _build(self) -> Array:
        options = self._options
        programs = self._programs or compiler(self._design, options.poison)
        return Array(self._design, options.seed, options.poison, options.depth, programs)

    def sequence(self, sequence: str | None) -> RuntimeSequence:
        """The sequence of a name; without one the only one.

        Raises:
            InputError: there is none, or the name does not say which.
        """
        found = self._design.sequences
        names = ", ".join(s.name or "(unnamed)" for s in found)
        if sequence is None and len(found) == 1:
            return found[0]
        matching = [s for s in found if s.name == sequence]
        if len(matching) == 1:
            return matching[0]
        problem = (
            f"has no runtime sequence {sequence}" if sequence is not None else "needs the name of a runtime sequence"
        )
        raise InputError(f"{self._design.file}: the design {problem}: it has {names or 'none'}")

    def run(self, sequence: str | None, arrays: Sequence[NDArray[np.generic]]) -> Report:
        """Runs a sequence on arrays, in place: what the design reads and writes is their memory itself.

        Args:
            sequence: its name; None for the only one.
            arrays: C-contiguous, one an argument, of its shape and of a dtype of its width (bf16 as uint16). They are
                kept while a task that the sequence left behind still uses them; the report warns of such tasks.
        Raises:
            InputError: arrays that do not fit the arguments.
            DeadlockError: nothing can go on before the sequence has ended; the message says who waits for what.
            SimulationError: a state that the hardware leaves undefined, or the time limit.
        """
        if self._thread not in (None, get_ident()):
            raise SimulationError("this Simulator ran in another thread before, where its cores have their stacks")
        self._thread = get_ident()
        found = self.sequence(sequence)
        array = self._array
        arguments = memories_of(self._design.file, found, arrays)
        reach = Reach(
            {a.name: memory for a, memory in zip(found.arguments, arguments, strict=True)},
            array.memories,
            array.locks,
            array.numbered,
            array.addressed,
            array.channel,
            array.bds,
        )
        deadline = None if self._options.limit_s is None else monotonic() + self._options.limit_s
        array.scheduler.run(
            None, _ALONE, deadline
        )  # what the design does from its start on, long before the host comes
        before = array.counts()
        host = Host(found, reach, self._design.file)
        host.clock = start = max((actor.clock for actor in array.actors), default=0)
        for actor in array.actors:
            actor.clock = start  # the time between two runs is nobody's stall
        while not host.done:
            array.scheduler.wake(host, start)
            array.scheduler.run(host, None, deadline)
            if not host.done and not host.settled():
                raise DeadlockError(explain(host, array.actors, self._design.file))
        end = host.clock
        array.scheduler.run(None, _ALONE, deadline)
        warnings = self._check(host)
        return Report(found.name, end - start, array.counts().since(before), (*host.warnings, *warnings))

    def _check(self, host: Host) -> tuple[str, ...]:
        """What is wrong after a run, or left to chance."""
        behind = self._array.arena.overrun()
        if behind is not None:
            label = list(self._array.memories)[behind]
            raise SimulationError(f"{self._design.file}: a core wrote outside of its buffers, behind {label}")
        for channel in self._array.channels.values():
            if isinstance(channel, ToMemory):
                channel.flush()
        self._unfinished = [task for task in (*self._unfinished, *host.unfinished) if task.pending]
        return tuple(
            f"{task.place}: the sequence ended while this task still moves data of the host: await it"
            for task in self._unfinished
        )
