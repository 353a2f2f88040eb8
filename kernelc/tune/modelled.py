"""Judges kernels of a GPU that is not there, by the machine code that the target's offline compiler makes of them."""

from collections.abc import Callable, Sequence

from kernelc.compile import to_isa
from kernelc.execution import Chip, execution
from kernelc.target import TargetSpec
from kernelc.toolset import Toolset
from kernelc.tune.candidate import Compiled
from kernelrt.gpu.errors import GpuError


class Modelled:
    """A Judge (kernelc.tune.search) by the model of kernelc.execution. InputError where the target has none."""

    margin = 0.99  # the model does not tell more apart

    def __init__(self, target: TargetSpec, tools: Toolset) -> None:
        self._chip = Chip.of(target)
        self._tools = tools

    def times(
        self, contenders: Sequence[Sequence[Compiled]], check: Callable[[], None]
    ) -> list[dict[str, float] | GpuError]:
        """As Judge.times; none is refused here (spills were, when it was compiled)."""
        found: list[dict[str, float] | GpuError] = []
        for contender in contenders:
            check()
            found.append({kernel.spec.name: self._microseconds(kernel) for kernel in contender})
        return found

    def leave(self) -> None:
        """There is nothing to free."""

    def _microseconds(self, kernel: Compiled) -> float:
        return execution(kernel.spec, to_isa(kernel.spec, kernel.spirv, self._tools), self._chip).seconds * 1e6
