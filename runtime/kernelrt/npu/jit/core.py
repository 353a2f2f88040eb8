"""A core's program as machine code, with the buffers and counters of one core."""

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kernelrt.npu.errors import SimulationError
from kernelrt.npu.jit import emit, watch
from kernelrt.npu.jit.cost import Cost
from kernelrt.npu.jit.site import CallSite
from kernelrt.npu.place import Place

Call = Callable[[int, int], int]
_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)
_ENTRY = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)


@dataclass(frozen=True, slots=True)
class Block:
    """A block of the program: it ran `counters[counter] * factor` times, each time at `cost`. `depth`: loops around it.
    `where`: its first operation."""

    counter: int
    factor: int
    depth: int
    cost: Cost
    where: Place


@dataclass(frozen=True, slots=True)
class Shadow:
    """`size` bytes of memory from address `start` on, each with a byte `distance` behind it that is not 0 once it was
    written. Stores of a core set them; the machine does for what it writes."""

    start: int
    size: int
    distance: int


class UnwrittenError(SimulationError):
    """A core read `size` bytes at `address` of which nothing had written all."""

    def __init__(self, address: int, size: int) -> None:
        super().__init__(f"a core read {size} bytes at address {address:#x} that nothing has written")
        self.address = address
        self.size = size


@dataclass(frozen=True, slots=True)
class Described:
    """What a core says about itself: `faults` are the complete messages, with `{number}` for what is known when they
    happen."""

    buffers: tuple[str, ...]
    calls: tuple[CallSite, ...]
    costs: tuple[Block, ...]
    faults: tuple[str, ...]
    counters: int


class CompiledCore:
    """`buffers` are the names of the buffers in the order of run's pointers, `calls` what each site number means.

    `counters` (int64) are up to date whenever the core calls out; `costs` says what they count. A core that is run
    again goes on counting.
    """

    def __init__(self, described: Described, entry: int, keep: object) -> None:
        """`entry` is the address of the code, which lives as long as `keep` does."""
        self.buffers = described.buffers
        self.calls = described.calls
        self.costs = described.costs
        self._faults = described.faults
        self._entry = _ENTRY(entry)
        self._keep = keep
        length = emit.COUNTERS + described.counters
        words = np.zeros(length + 8, np.int64)
        skipped = (-words.ctypes.data % 64) // 8  # what a cascade moves is aligned like a vector
        self._state = words[skipped : skipped + length]
        self.counters: NDArray[np.int64] = self._state[emit.COUNTERS :]

    def run(self, pointers: Sequence[int], call: Call, shadow: Shadow | None = None) -> None:
        """Runs the program to its end on this stack. `call(site, argument)` is called for each operation on the machine
        and may switch greenlets; what it raises ends the program and is raised here, once the native code has returned.

        Raises SimulationError where the program does what the hardware leaves undefined: an access out of bounds, a
        division by zero. If it was compiled to watch reads and `shadow` is given, raises UnwrittenError at the first
        call (or the end) after a bad one. One run of a CompiledCore at a time.
        """
        raised: list[BaseException] = []
        state = self._state

        def called(site: int, argument: int) -> int:
            try:
                return call(site, argument)
            except BaseException as error:  # ctypes would print and forget it; GreenletExit must end the core too
                raised.append(error)
                state[emit.STATUS] = emit.STOPPED
                return 0

        callback = _CALLBACK(called)
        state[emit.CALL] = ctypes.cast(callback, ctypes.c_void_p).value or 0
        state[emit.STATUS] = emit.RUNNING
        shadowed = shadow or Shadow(0, 0, 0)
        state[watch.START], state[watch.BYTES] = shadowed.start, shadowed.size
        state[watch.DISTANCE] = shadowed.distance
        table = (ctypes.c_void_p * max(1, len(self.buffers)))(*pointers)
        self._entry(state.ctypes.data, ctypes.addressof(table))
        if raised:
            raise raised[0]
        if state[emit.STATUS] == watch.UNWRITTEN:
            raise UnwrittenError(int(state[emit.FAULT_VALUE]), int(state[emit.FAULT_NUMBER]))
        if state[emit.STATUS] == emit.FAULTED:
            message = self._faults[int(state[emit.FAULT_NUMBER])]
            raise SimulationError(message.replace("{number}", str(int(state[emit.FAULT_VALUE]))))
