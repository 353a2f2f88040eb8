"""Which pieces of work in a sequence must wait for those before them."""

from collections.abc import Hashable, Iterable, Set


def waits(work: Iterable[tuple[Set[Hashable], Set[Hashable], bool]]) -> list[bool]:
    """For each piece, whether it needs a barrier in front: where one since the last barrier writes a buffer that it
    uses, or uses one that it writes. A piece is the buffers that it uses, those among them that it may write, and
    whether it waits itself for the piece in front; which part of a buffer it is, does not count.
    """
    found: list[bool] = []
    used: set[Hashable] = set()
    written: set[Hashable] = set()
    for uses, writes, follows in work:
        wait = not follows and bool(written & uses or used & writes)
        found.append(wait)
        if wait:
            used, written = set(), set()
        used |= uses
        written |= writes
    return found
