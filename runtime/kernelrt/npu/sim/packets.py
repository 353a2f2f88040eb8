"""Packets on streams."""

import numpy as np

from kernelrt.npu.design import Port
from kernelrt.npu.sim.pattern import Bytes


def header(packet: int, kind: int, port: Port) -> Bytes:
    """The word in front of a packet: id in bits 4-0, type in 14-12, the sender's row in 20-16 and column in 27-21, and
    in bit 31 what makes the number of ones odd. Source: AMD AM020, stream switch, packet-switched streams."""
    word = packet | kind << 12 | port.tile.row << 16 | port.tile.column << 21
    word |= (bin(word).count("1") % 2 == 0) << 31
    return np.frombuffer(word.to_bytes(4, "little"), np.uint8)
