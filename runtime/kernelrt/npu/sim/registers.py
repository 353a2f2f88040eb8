"""Addresses within a tile that a write of 32 bits can mean. Source: AMD AM025, AIE-ML registers."""

from dataclasses import dataclass
from typing import Literal

from kernelrt.npu.design import Tile
from kernelrt.npu.hardware import kind, limits

_LOCKS = {"shim": 0x14000, "memory": 0xC0000, "compute": 0x1F000}
_LOCK_STEP = 0x10
# Each channel has a control register and the start of its queue: first all of S2MM, then all of MM2S.
_CHANNELS = {"shim": (0x1D200, 2), "memory": (0xA0600, 6), "compute": (0x1DE00, 2)}
_CHANNEL_STEP = 8
CONTROLLER_ID = 0xFF00  # in a channel's control register: whose name its tokens carry


@dataclass(frozen=True, slots=True)
class Target:
    """A lock by its number, a byte of the tile's memory, or the control register of a DMA's channel."""

    kind: Literal["lock", "memory", "channel"]
    number: int


def target(tile: Tile, address: int) -> Target | None:
    """What stands at an address; None for registers that have no meaning for the simulator."""
    lock, rest = divmod(address - _LOCKS[kind(tile)], _LOCK_STEP)
    if rest == 0 and 0 <= lock < limits(tile).locks:
        return Target("lock", lock)
    first, count = _CHANNELS[kind(tile)]
    channel, rest = divmod(address - first, _CHANNEL_STEP)
    if rest == 0 and 0 <= channel < 2 * count:
        return Target("channel", channel)
    if 0 <= address < limits(tile).memory:
        return Target("memory", address)
    return None
