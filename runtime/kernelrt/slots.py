"""What the slots of an engine hold: the tokens in the caches of each, and which of them a repetition penalty counts."""

from array import array
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kernelrt.errors import InputError


class Slots:
    """`count` slots with room for `context` tokens each, empty at first."""

    def __init__(self, count: int, context: int) -> None:
        self.count = count
        self.context = context
        self._tokens = [array("I") for _ in range(count)]
        self._counted = [bytearray() for _ in range(count)]
        self._miscounted: set[int] = set()

    def check(self, slot: int, position: int, count: int) -> None:
        """Raises InputError where `count` tokens cannot go into a slot from `position` on."""
        if not 0 <= slot < self.count:
            raise InputError(f"slot {slot}; the engine has {self.count}, numbered from 0")
        if position < 0 or position + count > self.context:
            raise InputError(
                f"{position + count} tokens; the context holds {self.context} (--context, up to what the bundle has)"
            )
        held = len(self._tokens[slot])
        if position not in (0, held):  # a ring forgets what it would take to go back
            raise InputError(
                f"position {position} of slot {slot}, which holds {held} tokens: go on there, or begin at 0"
            )

    def put(self, slot: int, position: int, tokens: Sequence[int], counted: bool = True) -> None:
        """The slot ends with these tokens, the first of them at `position`; `counted`: for a repetition penalty."""
        self._tokens[slot][position:] = array("I", tokens)
        self._counted[slot][position:] = bytes([counted]) * len(tokens)
        if position == 0:  # where it counts, the device begins to count anew; else it has what the slot held before
            (self._miscounted.discard if counted else self._miscounted.add)(slot)

    def miscounts(self, slot: int) -> None:
        """The device has counted a token that the slot does not hold."""
        self._miscounted.add(slot)

    def recounts(self, slot: int) -> NDArray[np.uint32] | None:
        """The tokens to count anew, u32 [count], where the device's count is wrong. It is right from here on."""
        if slot not in self._miscounted:
            return None
        self._miscounted.discard(slot)
        return self.tokens(slot)[np.frombuffer(bytes(self._counted[slot]), bool)]

    def tokens(self, slot: int) -> NDArray[np.uint32]:
        """All that the slot holds, u32 [length]."""
        return np.array(self._tokens[slot], np.uint32)
