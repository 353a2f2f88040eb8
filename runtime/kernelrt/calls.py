"""A model's work as data: which kernel runs on which buffers, before there is a device or a buffer."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from kernelrt.abi import KernelEntry

PARAMS = "params"
BEFORE = "before"  # the counter that a link of a chain waits for (kernelrt.chain)


@dataclass(frozen=True, slots=True)
class Call:
    """One dispatch: `buffers` names the buffer of each binding, in their order; `rows` sizes the grid. `follows`: it
    waits itself for the call in front, so that it needs no barrier.
    """

    kernel: KernelEntry
    rows: int
    buffers: tuple[str, ...]
    follows: bool = False

    @property
    def grid(self) -> tuple[int, int, int]:
        x, y, z = (dim.size(rows=self.rows) for dim in self.kernel.grid)
        return x, y, z


def call(kernel: KernelEntry, rows: int, **binds: str) -> Call:
    """Binds buffers to a kernel's bindings by name. `binds` may name bindings that this kernel does not have, for the
    forms of a family differ; a binding that no one names is the kernel's scratch, shared by all its calls.
    """

    def name(binding: str, dtype: str) -> str:
        scratch = f"{kernel.name}.{binding}"
        # A link of a chain that stands alone waits for the step that the scalars tell of, and so for nothing.
        return PARAMS if dtype == "params" else binds.get(binding, PARAMS if binding == BEFORE else scratch)

    return Call(kernel, rows, tuple(name(binding.name, binding.dtype) for binding in kernel.bindings))


def renamed(calls: Iterable[Call], name: Callable[[str], str]) -> tuple[Call, ...]:
    """The same work on other buffers: `name` gives the new name of each."""
    return tuple(replace(each, buffers=tuple(name(buffer) for buffer in each.buffers)) for each in calls)


def sizes(calls: Iterable[Call], slots: int) -> Mapping[str, int]:
    """Bytes of every buffer that the calls bind: the most that any of them needs. In the order of their first use."""
    found: dict[str, int] = {}
    for each in calls:
        for binding, name in zip(each.kernel.bindings, each.buffers, strict=True):
            nbytes = binding.nbytes(rows=each.rows, slots=slots)
            found[name] = max(found.get(name, 0), nbytes)
    return found
