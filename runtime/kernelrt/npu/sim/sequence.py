"""The host: it steps through a runtime sequence and waits for tokens."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from kernelrt.npu import hardware
from kernelrt.npu.errors import SimulationError
from kernelrt.npu.hardware import Direction, Tile
from kernelrt.npu.instructions import (
    AwaitTask,
    ConfigureTask,
    FreeTask,
    RtpWrite,
    RuntimeSequence,
    SetLock,
    StartTask,
    Sync,
    Write32,
)
from kernelrt.npu.place import Place
from kernelrt.npu.sim.bd import SimBd, Task
from kernelrt.npu.sim.bds import BdTable
from kernelrt.npu.sim.dma import Channel
from kernelrt.npu.sim.locks import SimLock
from kernelrt.npu.sim.memory import Memory
from kernelrt.npu.sim.registers import CONTROLLER_ID, target
from kernelrt.npu.sim.scheduler import Actor, Wait


@dataclass(frozen=True, slots=True)
class Reach:
    """What the host can reach. `numbered`: locks by tile
    and id. `addressed`: memories by tile, with their addresses. `channel` makes one that nothing has used yet."""

    arguments: Mapping[str, Memory]
    memories: Mapping[str, Memory]
    locks: Mapping[str, SimLock]
    numbered: Mapping[tuple[Tile, int], SimLock]
    addressed: Mapping[Tile, tuple[tuple[int, Memory], ...]]
    channel: Callable[[Tile, Direction, int], Channel]
    bds: BdTable


@dataclass(frozen=True, slots=True)
class _Configured:
    task: Task
    channel: Channel
    numbers: tuple[int, ...]


class Host(Actor):
    """Runs one sequence once."""

    __slots__ = ("_at", "_file", "_reach", "_sequence", "_settles", "_tasks", "warnings")

    def __init__(self, sequence: RuntimeSequence, reach: Reach, file: str) -> None:
        super().__init__(f"the sequence @{sequence.name}" if sequence.name else "the runtime sequence")
        self._sequence = sequence
        self._reach = reach
        self._file = file
        self._tasks: dict[int, _Configured] = {}
        self._at = 0
        self._settles: Literal["no", "asked", "done"] = "no"
        self.warnings: list[str] = []
        reach.bds.start()

    @property
    def unfinished(self) -> list[Task]:
        """Tasks under way that read or write the host's memory."""
        return [found.task for found in self._tasks.values() if found.task.pending and found.task.host]

    def settled(self) -> bool:
        """Nothing else can go on: whether the host waits just for that, and goes on itself now."""
        if self._settles != "asked":
            return False
        self._settles = "done"
        return True

    def step(self) -> None:
        instructions = self._sequence.instructions
        while self._at < len(instructions):
            if not self._do(instructions[self._at]):
                return
            self._at += 1
            self._settles = "no"
        self.done = True

    def _do(self, instruction: object) -> bool:
        """False where the host has to wait before it can."""
        match instruction:
            case ConfigureTask():
                return self._configure(instruction)
            case StartTask():
                return self._start(instruction)
            case AwaitTask():
                found = self._task(instruction.task, instruction.where)
                if not found.task.token:
                    raise SimulationError(
                        f"{self._place(instruction.where)}: the task at {found.task.place} is awaited and issues no "
                        "token: configure it with issue_token = true"
                    )
                if not self._token(found.channel, instruction.where):
                    return False
                self._reach.bds.free(found.channel.tile, found.numbers)  # as aie-assign-runtime-sequence-bd-ids does
            case FreeTask():
                found = self._task(instruction.task, instruction.where)
                self._reach.bds.free(found.channel.tile, found.numbers)
            case Sync():
                return self._token(self._reach.channel(*instruction.channel), instruction.where)
            case RtpWrite():
                memory = self._reach.memories[instruction.buffer]
                self._write(memory, 4 * instruction.index, instruction.value, instruction.mask, instruction.where)
            case SetLock():
                self._reach.locks[instruction.lock].set(instruction.value, self.clock)
            case Write32():
                self._register(instruction)
            case _:
                raise TypeError(f"not an instruction of a runtime sequence: {instruction!r}")
        return True

    def _configure(self, configure: ConfigureTask) -> bool:
        tile, direction, index = configure.channel
        channel, table, place = (
            self._reach.channel(tile, direction, index),
            self._reach.bds,
            self._place(configure.where),
        )
        numbers = table.pick(tile, index, configure.bds, place)
        used = table.in_use(tile, numbers)
        if used is not None:
            problem = f"{place}: this task overwrites BD {used[0]} of {hardware.name(tile)}"
            if self._settles == "done":
                raise SimulationError(
                    f"{problem} while the task at {used[1].place} still uses it: await that one first"
                )
            # Whether the DMA is done with it is a matter of time, and of time alone: wait until nothing moves any more.
            self.warnings.append(f"{problem} without waiting for the task at {used[1].place}: a race on hardware")
            self._settles = "asked"
            self.waiting = Wait("queue", channel, 0, configure.where)
            return False
        bds: list[SimBd] = []
        for bd in configure.bds:
            memory = self._reach.arguments.get(bd.buffer) or self._reach.memories[bd.buffer]
            found = SimBd.of(bd, memory, direction, self._reach.locks, self._place(bd.where))
            if found.release is not None and channel not in found.release[0].releasers:
                found.release[0].releasers.append(channel)
            bds.append(found)
        task = Task(bds, configure.repeat, configure.issue_token, place)
        table.give(tile, numbers, task)
        self._tasks[configure.task] = _Configured(task, channel, numbers)
        return True

    def _start(self, start: StartTask) -> bool:
        found = self._task(start.task, start.where)
        channel = found.channel
        if not self._reach.bds.holds(channel.tile, found.numbers, found.task):
            raise SimulationError(
                f"{self._place(start.where)}: the BDs of the task at {found.task.place} were given to another task: "
                "it is freed only when it was started for the last time"
            )
        if len(channel.queue) >= hardware.QUEUE:
            channel.listener = self
            self.waiting = Wait("queue", channel, 0, start.where)
            return False
        channel.start(found.task, self.clock)
        return True

    def _token(self, channel: Channel, where: Place) -> bool:
        if not channel.tokens:
            channel.listener = self
            self.waiting = Wait("token", channel, 0, where)
            return False
        self.until(channel.tokens.popleft())
        return True

    def _task(self, number: int, where: Place) -> _Configured:
        if number not in self._tasks:
            raise SimulationError(f"{self._place(where)}: this task was not configured before")
        return self._tasks[number]

    def _register(self, write: Write32) -> None:
        found, tile, place = (
            target(write.tile, write.address),
            hardware.name(write.tile),
            self._place(write.where),
        )
        if found is None:
            raise SimulationError(
                f"{place}: address {write.address:#x} of {tile} is neither a lock nor its memory: the simulator knows "
                "no other registers; use the operations of aiex instead"
            )
        if found.kind == "channel" and not write.mask & ~CONTROLLER_ID:
            return
        if found.kind == "channel":
            raise SimulationError(
                f"{place}: writes {write.value:#x} (mask {write.mask:#x}) to the control of a DMA's channel: resets "
                "and pauses are not simulated"
            )
        if found.kind == "lock":
            lock = self._reach.numbered.get((write.tile, found.number))
            if lock is None:
                raise SimulationError(f"{place}: the design has no lock with id {found.number} in {tile}")
            lock.set(lock.value & ~write.mask | write.value & write.mask, self.clock)
            return
        for address, memory in self._reach.addressed.get(write.tile, ()):
            if address <= found.number <= address + len(memory.data) - 4:
                self._write(memory, found.number - address, write.value, write.mask, write.where)
                return
        raise SimulationError(f"{place}: no buffer of {tile} is placed at address {found.number:#x}")

    def _write(self, memory: Memory, at: int, value: int, mask: int, where: Place) -> None:
        if not 0 <= at <= len(memory.data) - 4:
            raise SimulationError(
                f"{self._place(where)}: writes bytes {at} to {at + 4} of {memory.label}, which has {len(memory.data)}"
            )
        old = int.from_bytes(memory.data[at : at + 4].tobytes(), "little")
        word = old & ~mask | value & mask
        memory.data[at : at + 4] = np.frombuffer((word & 0xFFFFFFFF).to_bytes(4, "little"), np.uint8)
        memory.wrote_range(at, at + 4)

    def _place(self, where: Place) -> str:
        return where.within(self._file)
