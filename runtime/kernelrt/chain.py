"""Chains: calls that wait in their kernels for the one in front, so that no barrier is between them.

Such a kernel has three counters: it waits until BEFORE says that all workgroups of the dispatch in front have arrived,
adds its own to HERE, and sets AFTER, the counter of the dispatch behind, to zero.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from kernelrt.abi import Binding
from kernelrt.calls import BEFORE, Call

HERE, AFTER = "here", "after"


def is_link(bindings: Iterable[Binding]) -> bool:
    """Whether a kernel with these bindings waits itself for the one in front."""
    return any(binding.name == BEFORE for binding in bindings)


def linked(calls: Sequence[Call]) -> list[Call]:
    """The calls of a step, with those that can wait for the one in front told to. The families among them follow each
    other in the same order in every layer, each with a counter of its own: the last one of a step sets the first
    one's to zero.
    """
    links = [is_link(call.kernel.bindings) for call in calls]
    ring = len({call.kernel.family for call, link in zip(calls, links, strict=True) if link})
    if ring < 3:  # none that is set to zero may be one that is still waited for
        return list(calls)
    found: list[Call] = []
    number = 0
    for call, link, follows in zip(calls, links, [False, *links], strict=False):
        if not link:
            found.append(call)
            continue
        counters = {HERE: f"chain.{number % ring}", AFTER: f"chain.{(number + 1) % ring}"}
        if follows:
            counters[BEFORE] = f"chain.{(number - 1) % ring}"
        names = zip(call.kernel.bindings, call.buffers, strict=True)
        buffers = tuple(counters.get(binding.name, name) for binding, name in names)
        found.append(replace(call, buffers=buffers, follows=follows))
        number += 1
    return found
