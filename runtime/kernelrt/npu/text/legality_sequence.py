"""Runtime sequences: the BDs that their tasks hold at once, and what they write."""

from collections.abc import Mapping

from kernelrt.npu import hardware
from kernelrt.npu.design import Buffer, Design
from kernelrt.npu.errors import DesignError
from kernelrt.npu.hardware import Tile
from kernelrt.npu.instructions import AwaitTask, ConfigureTask, FreeTask, RtpWrite, RuntimeSequence, SetLock, StartTask
from kernelrt.npu.place import Place

Held = dict[int, tuple[Tile, int, Place]]  # of a task: the tile whose BDs it holds, how many, where


def check(design: Design) -> None:
    """Raises DesignError for a sequence that holds more BDs than there are, or writes outside of a buffer."""
    buffers = {buffer.name: buffer for buffer in design.buffers}
    names: dict[str, Place] = {}
    for sequence in design.sequences:
        if sequence.name in names:
            problem = f"a second runtime sequence @{sequence.name}, after line {names[sequence.name].line}"
            raise DesignError.at(design.file, sequence.where, f"{problem}: name it differently")
        names[sequence.name] = sequence.where
        _sequence(design.file, sequence, buffers)


def _sequence(file: str, sequence: RuntimeSequence, buffers: Mapping[str, Buffer]) -> None:
    held: Held = {}
    started: set[int] = set()
    for instruction in sequence.instructions:
        if isinstance(instruction, ConfigureTask):
            _hold(file, held, instruction)
        elif isinstance(instruction, FreeTask | AwaitTask):  # mlir-aie frees what was awaited
            held.pop(instruction.task, None)
        elif isinstance(instruction, StartTask):
            started.add(instruction.task)
        elif isinstance(instruction, RtpWrite):
            words = buffers[instruction.buffer].type.nbytes // hardware.GRANULE
            if not 0 <= instruction.index < words:
                problem = f"word {instruction.index} of {instruction.buffer}, which has {words}, counted from 0"
                raise DesignError.at(file, instruction.where, problem)
        elif isinstance(instruction, SetLock) and instruction.value not in hardware.LOCK_VALUES:
            raise DesignError.at(file, instruction.where, f"a lock's value of {instruction.value}: it is 0 to 63")


def _hold(file: str, held: Held, task: ConfigureTask) -> None:
    """Notes the BDs that are given out for a task without ids of its own; aiex.dma_free_task gives them back."""
    tile = task.channel[0]
    fresh = {bd.where for bd in task.bds if bd.id is None}
    if not fresh:
        return
    held[task.task] = (tile, len(fresh), task.where)
    parity = task.channel[2]
    limit = len(hardware.bds_of_channel(tile, parity))
    total = sum(count for other, count, _ in held.values() if other == tile)
    if total > limit:
        first = min(where.line for other, _, where in held.values() if other == tile)
        raise DesignError.at(
            file,
            task.where,
            f"the tasks since line {first} hold {total} BDs of {hardware.name(tile)}, which has {limit}: "
            "free finished ones with aiex.dma_free_task",
        )
