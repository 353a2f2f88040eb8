"""Addresses within a tile that a write of 32 bits can mean. Source: AMD AM025, AIE-ML registers."""

from dataclasses import dataclass
from typing import Literal

from kernelrt.npu.hardware import CHANNEL_REGISTERS, LOCK_REGISTERS, Tile, kind, limits

CONTROLLER_ID = 0xFF00  # in a channel's control register: whose name its tokens carry


@dataclass(frozen=True, slots=True)
class Target:
    """A lock by its number, a byte of the tile's memory, or the control register of a DMA's channel."""

    kind: Literal["lock", "memory", "channel"]
    number: int


def target(tile: Tile, address: int) -> Target | None:
    """What stands at an address; None for registers that have no meaning for the simulator."""
    lock, rest = divmod(address - LOCK_REGISTERS[kind(tile)], 16)
    if rest == 0 and 0 <= lock < limits(tile).locks:
        return Target("lock", lock)
    channel, rest = divmod(address - CHANNEL_REGISTERS[kind(tile)], 8)
    if rest == 0 and 0 <= channel < 2 * limits(tile).channels:
        return Target("channel", channel)
    if 0 <= address < limits(tile).memory:
        return Target("memory", address)
    return None
