"""What can be wrong with a design for the NPU, or with running one."""

from kernelrt.errors import InputError, KernelrtError, RunError
from kernelrt.npu.place import Place


class NpuError(KernelrtError):
    """The NPU, its driver or its tools are missing or do not work."""


class DesignError(InputError):
    """A design that the hardware or the language does not allow: file, line and column first."""

    @staticmethod
    def at(file: str, where: Place, problem: str) -> "DesignError":
        """The error with its place."""
        return DesignError(f"{where.within(file)}: {problem}")


class SimulationError(RunError):
    """A simulation that came to a state which the hardware leaves undefined, or to none at all."""


class DeadlockError(SimulationError):
    """Nothing can go on: who waits for what."""
