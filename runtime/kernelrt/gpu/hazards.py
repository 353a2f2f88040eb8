"""Which pieces of work in a sequence must wait for those before them."""

from collections.abc import Hashable, Iterable, Set


def waits(work: Iterable[tuple[Set[Hashable], Set[Hashable]]]) -> list[bool]:
    """For each piece, whether it needs a barrier in front: where one since the last barrier writes a buffer that it
    uses, or uses one that it writes. A piece is the buffers that it uses, and those among them that it may write; which
    part of a buffer it is, does not count.
    """
    found: list[bool] = []
    used: set[Hashable] = set()
    written: set[Hashable] = set()
    for uses, writes in work:
        wait = bool(written & uses or used & writes)
        found.append(wait)
        if wait:
            used, written = set(), set()
        used |= uses
        written |= writes
    return found
