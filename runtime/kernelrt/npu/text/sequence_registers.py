"""Register writes of a runtime sequence, read as what they do: BDs and queues become tasks."""

from xdsl.dialects import memref
from xdsl.dialects.builtin import IntegerAttr, SymbolRefAttr
from xdsl.ir import Operation, OpResult, SSAValue

from kernelrt.npu import hardware
from kernelrt.npu.hardware import Direction, Tile
from kernelrt.npu.instructions import RtpWrite, SetLock, Write32
from kernelrt.npu.text import dialect_aiex as aiex
from kernelrt.npu.text import syntax
from kernelrt.npu.text.dialect_aie import BufferOp
from kernelrt.npu.text.dialect_host import GlobalOp
from kernelrt.npu.text.register_bd import BdRegisters, Patch
from kernelrt.npu.text.register_fields import BD_BASE, pack
from kernelrt.npu.text.scope import contents
from kernelrt.npu.text.sequence import Sequence

_WORD = 0xFFFFFFFF
_LOCAL = 0xFFFFF  # an address within a tile: 20 bits, row and column above them


class Registers:
    """The BD registers of all tiles as the sequence has written them so far."""

    def __init__(self, sequence: Sequence) -> None:
        self._sequence = sequence
        self._bds = BdRegisters(sequence)

    def take(self, op: Operation) -> bool:
        """Whether `op` writes registers; if so, it has been taken in."""
        sequence = self._sequence
        if isinstance(op, aiex.RtpWriteOp):
            self._rtp(op)
        elif isinstance(op, aiex.Write32Op):
            address, value = sequence.numbers(op, ("address", "value"))
            self._write(op, address, value, _WORD)
        elif isinstance(op, aiex.MaskWrite32Op):
            address, value, mask = sequence.numbers(op, ("address", "value", "mask"))
            self._write(op, address, value, mask & _WORD)
        elif isinstance(op, aiex.BlockWriteOp):
            step = 1 if "buffer" in op.attributes else 4
            for number, word in enumerate(self._words(op)):
                self._write(op, syntax.integer(op, "address") + number * step, word, _WORD)
        elif isinstance(op, aiex.WriteBdOp):
            self._write_bd(op)
        elif isinstance(op, aiex.AddressPatchOp):
            self._patch(op)
        elif isinstance(op, aiex.PushQueueOp):
            self._push(op)
        else:
            return False
        return True

    def _rtp(self, op: aiex.RtpWriteOp) -> None:
        name = self._buffer(op, op.buffer)
        given = syntax.values_of(op.value)[0]
        value = self._sequence.integer(op, op.operands[0]) if given == syntax.DYNAMIC else given
        self._rtp_write(op, name, op.index.value.data, value, _WORD)

    def _buffer(self, op: Operation, reference: object) -> BufferOp:
        scope = self._sequence.scope
        name = scope.symbol(op, reference if isinstance(reference, SymbolRefAttr) else None, "buffer")
        found = scope.symbols[name]
        if not isinstance(found, BufferOp):
            raise scope.error(op, f"@{name} is no aie.buffer")
        return found

    def _rtp_write(self, op: Operation, target: BufferOp, index: int, value: int, mask: int) -> None:
        scope = self._sequence.scope
        buffer = scope.buffers[target.results[0]]
        self._sequence.instructions.append(RtpWrite(buffer.name, index, value & _WORD, scope.place(op), mask))

    def _write(self, op: Operation, address: int, value: int, mask: int) -> None:
        """One word by address: within the buffer, within the tile, or of the whole array."""
        scope = self._sequence.scope
        if "buffer" in op.attributes:
            self._rtp_write(op, self._buffer(op, op.attributes["buffer"]), address, value, mask)
            return
        tile = self._tile(op, address)
        local, value = address & _LOCAL, value & _WORD
        kind = hardware.kind(tile)
        queue, rest = divmod(local - hardware.CHANNEL_REGISTERS[kind], 8)
        count = hardware.limits(tile).channels
        if self._bds.holds(tile, local):
            self._bds.write(tile, local, value, mask)
        elif rest == 4 and 0 <= queue < 2 * count:
            direction: Direction = "S2MM" if queue < count else "MM2S"
            self._start(op, tile, direction, queue % count, value & 0x3F, value >> 16 & 0xFF, bool(value >> 31))
        elif (lock := self._lock(tile, local - hardware.LOCK_REGISTERS[kind])) is not None:
            self._sequence.instructions.append(SetLock(lock, value & 0x3F, scope.place(op)))
        else:
            self._sequence.instructions.append(Write32(tile, local, value, mask, scope.place(op)))

    def _tile(self, op: Operation, address: int) -> Tile:
        scope = self._sequence.scope
        columns = hardware.COLUMNS[scope.device.device.data]
        tile = Tile(syntax.integer(op, "column", address >> 25 & 0x7F), syntax.integer(op, "row", address >> 20 & 0x1F))
        if not (0 <= tile.column < columns and 0 <= tile.row < hardware.ROWS):
            raise scope.error(op, f"tile ({tile.column}, {tile.row}) is outside {scope.device.device.data}")
        return tile

    def _lock(self, tile: Tile, offset: int) -> str | None:
        """The name of the lock whose register is `offset` bytes into the locks of a tile."""
        for lock in self._sequence.scope.locks.values():
            if lock.tile == tile and lock.id is not None and offset == lock.id * 16:
                return lock.name
        return None

    def _words(self, op: aiex.BlockWriteOp) -> list[int]:
        scope = self._sequence.scope
        value: SSAValue | None = op.operands[0] if op.operands else None
        source = value.owner if isinstance(value, OpResult) else None
        if not isinstance(source, memref.GetGlobalOp):
            raise scope.error(op, "npu.blockwrite writes a memref.global: give it the result of memref.get_global")
        name = source.name_.root_reference.data
        found = next(
            (g for g in scope.parsed.module.walk() if isinstance(g, GlobalOp) and g.sym_name.data == name), None
        )
        data = contents(found.initial_value) if found is not None else None
        if data is None or len(data) % 4:
            raise scope.error(op, f"@{name} is no memref.global with whole words as contents")
        return [int.from_bytes(data[at : at + 4], "little") for at in range(0, len(data), 4)]

    def _write_bd(self, op: aiex.WriteBdOp) -> None:
        tile = self._tile(op, 0)
        fields = {name: found.value.data for name, found in op.attributes.items() if isinstance(found, IntegerAttr)}
        id = syntax.integer(op, "bd_id", -1)
        if not 0 <= id < hardware.limits(tile).bds:
            raise self._sequence.scope.error(
                op, f"BD {id}: {hardware.name(tile)} has 0 to {hardware.limits(tile).bds - 1}"
            )
        base = BD_BASE[hardware.kind(tile)] + 32 * id
        for number, word in enumerate(pack(hardware.kind(tile), fields)):
            self._bds.write(tile, base + 4 * number, word, _WORD)

    def _patch(self, op: aiex.AddressPatchOp) -> None:
        sequence, scope = self._sequence, self._sequence.scope
        plus = sequence.integer(op, op.operands[0]) if op.operands else syntax.integer(op, "arg_plus")
        index = syntax.integer(op, "arg_idx", -1)
        address = syntax.integer(op, "addr")
        tile = self._tile(op, address)
        id, rest = divmod((address & _LOCAL) - BD_BASE["shim"], 32)
        if hardware.kind(tile) != "shim" or rest != 4 or not 0 <= id < hardware.limits(tile).bds:
            raise scope.error(op, f"address {address:#x} is not the address word of a shim tile's BD")
        self._bds.patch(tile, id, Patch(index, plus, scope.place(op)))

    def _push(self, op: aiex.PushQueueOp) -> None:
        tile = Tile(op.column.value.data, op.row.value.data)
        names = ("bd_id", "repeat_count")
        id, repeat = self._sequence.numbers(op, names)
        self._start(op, tile, op.direction.direction, op.channel.value.data, id, repeat, syntax.flag(op, "issue_token"))

    def _start(
        self, op: Operation, tile: Tile, direction: Direction, channel: int, id: int, repeat: int, token: bool
    ) -> None:
        sequence = self._sequence
        if direction == "S2MM" and (tile, channel) in sequence.traces:
            return  # trace is not modelled: nothing comes into this channel
        bds, repeat = self._bds.chain(op, tile, id, sequence.repeat(op, repeat))
        sequence.start(op, sequence.configure(op, (tile, direction, channel), bds, repeat, token))
