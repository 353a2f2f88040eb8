"""What a core runs, as the machine sees it."""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from kernelrt.npu.jit.core import Shadow
from kernelrt.npu.jit.site import CallSite
from kernelrt.npu.sim.cycles import Block


class Program(Protocol):
    """A core's compiled body, as kernelrt.npu.jit gives it.

    `run` executes it on the current stack, with the addresses of `buffers`, and calls `call(site, argument)` for each
    of `calls`. What that raises ends the program, once the native frames have returned, and is raised by `run`.
    `counters`: how often the blocks of `costs` ran.
    """

    @property
    def buffers(self) -> Sequence[str]: ...
    @property
    def calls(self) -> Sequence[CallSite]: ...
    @property
    def counters(self) -> NDArray[np.int64]: ...
    @property
    def costs(self) -> Sequence[Block]: ...
    def run(self, pointers: Sequence[int], call: Callable[[int, int], int], shadow: Shadow | None = None) -> None: ...
