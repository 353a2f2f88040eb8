"""Programs of cores, compiled when a machine is built."""

from collections.abc import Callable

from kernelrt.npu.design import Core, Design
from kernelrt.npu.errors import DesignError
from kernelrt.npu.jit.compile import compile_core
from kernelrt.npu.sim.program import Program


def compiler(design: Design, watch: bool) -> Callable[[Core], Program]:
    """What makes the program of a core of `design`, with `watch` one that finds reads of what nothing wrote.

    Raises:
        DesignError: the core needs an object file, which only the real NPU can run.
        NpuError: a package that compiling needs is missing.
    """
    buffers = {buffer.name: buffer for buffer in design.buffers}
    locks = {lock.name: lock for lock in design.locks}
    fifos = {fifo.name: fifo for fifo in design.fifos}

    def compiled(core: Core) -> Program:
        if core.link_with is not None:
            raise DesignError.at(
                design.file, core.where, f"this core links {core.link_with}: only cores in MLIR can be simulated"
            )
        return compile_core(core, buffers, fifos, locks, design.file, watch)

    return compiled
