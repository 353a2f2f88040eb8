"""What a runtime sequence does, instruction by instruction.

`task` numbers are given in the order of configuration.
"""

from dataclasses import dataclass

from kernelrt.npu.bd import Bd
from kernelrt.npu.hardware import Direction, Tile
from kernelrt.npu.memref import Memref
from kernelrt.npu.place import Place


@dataclass(frozen=True, slots=True)
class Argument:
    name: str
    type: Memref


@dataclass(frozen=True, slots=True)
class ConfigureTask:
    """A chain of BDs for a channel (dma_configure_task(_for), dma_memcpy_nd, dma_start_bd_chain), not started yet."""

    task: int
    channel: tuple[Tile, Direction, int]
    bds: tuple[Bd, ...]
    repeat: int
    issue_token: bool
    where: Place


@dataclass(frozen=True, slots=True)
class StartTask:
    task: int
    where: Place


@dataclass(frozen=True, slots=True)
class AwaitTask:
    task: int
    where: Place


@dataclass(frozen=True, slots=True)
class FreeTask:
    task: int
    where: Place


@dataclass(frozen=True, slots=True)
class Sync:
    """Waits for a token of a channel (npu.sync, npu.dma_wait)."""

    channel: tuple[Tile, Direction, int]
    where: Place


@dataclass(frozen=True, slots=True)
class RtpWrite:
    """Writes the bits that `mask` has of one 32-bit word of a buffer; `index` counts words."""

    buffer: str
    index: int
    value: int
    where: Place
    mask: int = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class SetLock:
    lock: str
    value: int
    where: Place


@dataclass(frozen=True, slots=True)
class Write32:
    """A register or memory write by address within a tile."""

    tile: Tile
    address: int
    value: int
    mask: int
    where: Place


Instruction = ConfigureTask | StartTask | AwaitTask | FreeTask | Sync | RtpWrite | SetLock | Write32


@dataclass(frozen=True, slots=True)
class RuntimeSequence:
    name: str
    arguments: tuple[Argument, ...]
    instructions: tuple[Instruction, ...]
    where: Place
