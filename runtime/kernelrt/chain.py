"""Chains: calls that wait in their kernels for the one in front, so that no barrier is between them.

Such a kernel has two counters: it waits until BEFORE, that of the dispatch in front, is at the number of the step, and
brings HERE, its own, there. The number is the first word of the scalars: a link that has none in front binds those as
BEFORE, and waits for nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from kernelrt.abi import Binding
from kernelrt.calls import BEFORE, Call

HERE = "here"
STEP = 1 << 16  # what a counter grows by in a step; more than a dispatch has workgroups


def is_link(bindings: Iterable[Binding]) -> bool:
    """Whether a kernel with these bindings waits itself for the one in front."""
    return any(binding.name == BEFORE for binding in bindings)


def after(step: int) -> int:
    """The number of the step behind: counters are words of 32 bits."""
    return (step + STEP) % (1 << 32)


def linked(calls: Sequence[Call]) -> list[Call]:
    """The calls of a step, with those that can wait for the one in front told to. Each has a counter of its own: one
    that begins long before its turn must not take an earlier layer's for what it waits for. Steps of different sizes
    are numbered apart, and so share none.
    """
    links = [is_link(call.kernel.bindings) for call in calls]
    found: list[Call] = []
    for number, (call, link, follows) in enumerate(zip(calls, links, [False, *links], strict=False)):
        if not link:
            found.append(call)
            continue
        own, front = f"chain.{call.rows}.{number}", f"chain.{call.rows}.{number - 1}"
        counters = {HERE: own} | ({BEFORE: front} if follows else {})
        names = zip(call.kernel.bindings, call.buffers, strict=True)
        buffers = tuple(counters.get(binding.name, name) for binding, name in names)
        found.append(replace(call, buffers=buffers, follows=follows))
    return found
