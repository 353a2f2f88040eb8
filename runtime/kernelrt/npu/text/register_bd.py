"""Buffer descriptors as a runtime sequence has written them to registers, read back as chains."""

from dataclasses import dataclass
from math import prod

from xdsl.ir import Operation

from kernelrt.npu import hardware
from kernelrt.npu.bd import Bd, Dim, LockUse, Pad
from kernelrt.npu.design import Buffer
from kernelrt.npu.hardware import Tile
from kernelrt.npu.memref import Memref
from kernelrt.npu.place import Place
from kernelrt.npu.text.iteration import fold
from kernelrt.npu.text.register_fields import BD_BASE, FIELDS
from kernelrt.npu.text.sequence import Sequence


@dataclass(frozen=True, slots=True)
class Patch:
    """The address word of a shim's BD: the number of an argument, and bytes into it."""

    index: int
    plus: int
    where: Place


class BdRegisters:
    """What a sequence has written to BD registers."""

    def __init__(self, sequence: Sequence) -> None:
        self._sequence = sequence
        self._words: dict[tuple[Tile, int], int] = {}
        self._patches: dict[tuple[Tile, int], Patch] = {}

    def holds(self, tile: Tile, address: int) -> bool:
        base = BD_BASE[hardware.kind(tile)]
        return base <= address < base + 32 * hardware.limits(tile).bds

    def write(self, tile: Tile, address: int, value: int, mask: int) -> None:
        before = self._words.get((tile, address), 0)
        self._words[tile, address] = (before & ~mask) | (value & mask)

    def patch(self, tile: Tile, id: int, patch: Patch) -> None:
        self._patches[tile, id] = patch

    def chain(self, op: Operation, tile: Tile, first: int, repeat: int) -> tuple[tuple[Bd, ...], int]:
        """The BDs from `first` on, as the registers link them, and how often they repeat."""
        ids: list[int] = []
        id: int | None = first
        while id is not None and id not in ids:
            ids.append(id)
            fields = self._read(tile, id)
            if not fields["valid_bd"]:
                raise self._sequence.scope.error(
                    op, f"BD {id} of {hardware.name(tile)} is started, but was never written"
                )
            id = fields["next_bd"] if fields["use_next_bd"] else None
        bds: list[tuple[Bd, Dim | None]] = []
        for number, id in enumerate(ids):
            fields = self._read(tile, id)
            behind = ids.index(fields["next_bd"]) if fields["use_next_bd"] else None
            bds.append(self._bd(op, tile, id, fields, behind))
            assert behind is None or behind <= number + 1
        return fold(bds, repeat)

    def _read(self, tile: Tile, id: int) -> dict[str, int]:
        kind = hardware.kind(tile)
        base = BD_BASE[kind] + 32 * id
        return {
            name: self._words.get((tile, base + 4 * word), 0) >> low & (1 << width) - 1
            for name, (word, low, width) in FIELDS[kind].items()
        }

    def _bd(
        self, op: Operation, tile: Tile, id: int, fields: dict[str, int], behind: int | None
    ) -> tuple[Bd, Dim | None]:
        length = fields["buffer_length"]
        dims = self._dims(fields, length)
        target, offset, type = self._target(op, tile, id, fields, length)
        scale, rest = divmod(hardware.GRANULE, type.item)
        if rest:
            raise self._sequence.scope.error(op, f"a register-level BD of {type.dtype} elements is not supported")
        # The innermost run is contiguous, whatever the size of an element; other strides count words.
        if scale > 1 and dims:
            if dims[-1].stride != 1:
                dims = (*dims, Dim(1, 1))
            dims = (*(Dim(dim.size, dim.stride * scale) for dim in dims[:-1]), Dim(dims[-1].size * scale, 1))
        iteration = fields["iteration_size"]
        step = Dim(iteration + 1, (fields["iteration_stride"] + 1) * scale) if iteration else None
        pads = tuple(
            Pad(fields.get(f"d{dim}_zero_before", 0), fields.get(f"d{dim}_zero_after", 0)) for dim in (2, 1, 0)
        )
        bd = Bd(
            buffer=target,
            offset=offset,
            length=length * scale,
            dims=dims,
            pads=pads if any(pad != Pad(0, 0) for pad in pads) else (),
            acquire=self._lock(op, tile, fields, "acq") if fields["lock_acq_enable"] else None,
            release=self._lock(op, tile, fields, "rel") if fields["lock_rel_val"] else None,
            packet=fields["packet_id"] if fields["enable_packet"] else None,
            id=id,
            next=behind,
            where=self._sequence.scope.place(op),
        )
        return bd, step

    @staticmethod
    def _dims(fields: dict[str, int], length: int) -> tuple[Dim, ...]:
        """Words; a size of 0 is that of a dimension which takes all the rest."""
        sizes = (fields["d0_size"], fields["d1_size"], fields.get("d2_size", 0))
        inner = sizes[0] or length
        if sizes[0] == 0 and fields["d0_stride"] == 0:
            return ()
        dims = [Dim(inner, fields["d0_stride"] + 1)]
        for number, size in enumerate(sizes[1:], 1):
            done = prod(dim.size for dim in dims)
            if done >= length:
                break
            last = number == 2 and sizes[2] == 0
            dims.insert(0, Dim(-(-length // done) if last or size == 0 else size, fields[f"d{number}_stride"] + 1))
        return tuple(dims)

    def _target(
        self, op: Operation, tile: Tile, id: int, fields: dict[str, int], length: int
    ) -> tuple[str, int, Memref]:
        """The buffer or argument that a BD's address is in, the offset in its elements, and its type."""
        scope = self._sequence.scope
        if hardware.kind(tile) == "shim":
            patch = self._patches.get((tile, id))
            if patch is None:
                raise scope.error(
                    op, f"BD {id} of {hardware.name(tile)} has no argument: give it with npu.address_patch"
                )
            arguments = self._sequence.arguments
            if not 0 <= patch.index < len(arguments):
                problem = f"argument {patch.index}: this sequence has {len(arguments)} arguments, counted from 0"
                raise scope.parsed.source.error(patch.where, problem)
            argument = arguments[patch.index]
            return argument.name, patch.plus // argument.type.item, argument.type
        address = fields["buffer_offset"] * hardware.GRANULE
        for buffer in scope.buffers.values():
            if buffer.tile == tile and buffer.address is not None:
                offset = address - buffer.address
                if 0 <= offset < buffer.type.nbytes:
                    return buffer.name, offset // buffer.type.item, buffer.type
        return self._raw(op, tile, address, length)

    def _raw(self, op: Operation, tile: Tile, address: int, length: int) -> tuple[str, int, Memref]:
        """Memory that no buffer names: all of the tile's, where it has no buffers."""
        scope = self._sequence.scope
        name = f"memory_{tile.column}_{tile.row}"
        if any(buffer.tile == tile and buffer.name != name for buffer in scope.buffers.values()):
            raise scope.error(
                op, f"address {address:#x} of {hardware.name(tile)} is in no aie.buffer with an `address`"
            )
        known = next((value for value, buffer in scope.buffers.items() if buffer.name == name), None)
        words = address // 4 + length
        if known is None:
            known = next(value for value, found in scope.tiles.items() if found == tile)
        words = max(words, scope.buffers[known].type.shape[0] if known in scope.buffers else 0)
        type = Memref("i32", (words,))
        scope.buffers[known] = Buffer(name, tile, type, None, 0, scope.place(op))
        return name, address // 4, type

    def _lock(self, op: Operation, tile: Tile, fields: dict[str, int], side: str) -> LockUse:
        scope = self._sequence.scope
        id, value = fields[f"lock_{side}_id"], fields[f"lock_{side}_val"]
        owner = tile
        if hardware.kind(tile) == "memory":  # 0 to 63 are the western neighbour's, then its own, then the eastern's
            owner, id = Tile(tile.column + id // 64 - 1, tile.row), id % 64
        value = value - 128 if value >= 64 else value
        for lock in scope.locks.values():
            if lock.tile == owner and lock.id == id:
                if side == "rel":
                    return LockUse(lock.name, "release", value)
                return LockUse(lock.name, "ge" if value < 0 else "eq", abs(value))
        raise scope.error(op, f"lock {id} of {hardware.name(owner)} is used by a BD, but no aie.lock declares it")
