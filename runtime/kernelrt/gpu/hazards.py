"""Which pieces of work in a sequence must wait for those before them."""

from collections.abc import Hashable, Iterable, Set
from dataclasses import dataclass, field


def waits(work: Iterable[tuple[Set[Hashable], Set[Hashable], bool]]) -> list[bool]:
    """For each piece, whether it needs a barrier in front: where one since the last barrier writes a buffer that it
    uses, or uses one that it writes. A piece is the buffers that it uses, those among them that it may write, and
    whether it waits itself for the piece in front; which part of a buffer it is, does not count.
    """
    found: list[bool] = []
    before, chain = _Access(), _Access()  # the latest piece, with those that it followed, is told from what lies before
    for uses, writes, follows in work:
        if not follows:
            before.add(chain.used, chain.written)
            chain = _Access()
        wait = bool(before.written & uses or before.used & writes)
        found.append(wait)
        if wait:
            before, chain = _Access(), _Access()
        chain.add(uses, writes)
    return found


@dataclass(slots=True)
class _Access:
    used: set[Hashable] = field(default_factory=set[Hashable])
    written: set[Hashable] = field(default_factory=set[Hashable])

    def add(self, uses: Set[Hashable], writes: Set[Hashable]) -> None:
        self.used |= uses
        self.written |= writes
