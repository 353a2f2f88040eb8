"""What the values and symbols of a device stand for."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from xdsl.dialects.builtin import DenseIntOrFPElementsAttr, StringAttr, SymbolRefAttr
from xdsl.ir import Attribute, Operation, SSAValue

from kernelrt.npu import hardware
from kernelrt.npu.design import Buffer, Lock
from kernelrt.npu.errors import DesignError
from kernelrt.npu.hardware import Tile
from kernelrt.npu.memref import Memref, item_bytes
from kernelrt.npu.place import Place
from kernelrt.npu.text import syntax
from kernelrt.npu.text.dialect_aie import BufferOp, DeviceOp, ExternalBufferOp, LockOp, TileOp
from kernelrt.npu.text.parse import Parsed

HOST = Tile(0, 0)  # where external buffers are said to be: a shim tile has no memory of its own


@dataclass(frozen=True, slots=True)
class Scope:
    """`symbols`: @name to its operation. `names` also has what is not a declaration, such as a sequence's arguments."""

    parsed: Parsed
    device: DeviceOp
    tiles: dict[SSAValue, Tile] = field(default_factory=dict["SSAValue", "Tile"])
    buffers: dict[SSAValue, Buffer] = field(default_factory=dict["SSAValue", "Buffer"])
    locks: dict[SSAValue, Lock] = field(default_factory=dict["SSAValue", "Lock"])
    symbols: dict[str, Operation] = field(default_factory=dict["str", "Operation"])

    def place(self, op: Operation) -> Place:
        return self.parsed.source.place(self.parsed.reader.spans[op].name)

    def error(self, op: Operation, problem: str) -> DesignError:
        return self.parsed.source.error(self.place(op), problem)

    def tile(self, op: Operation, value: SSAValue) -> Tile:
        found = self.tiles.get(value)
        if found is None:
            raise self.error(op, f"%{self.name(value)} is no aie.tile")
        return found

    def lock(self, op: Operation, value: SSAValue) -> Lock:
        found = self.locks.get(value)
        if found is None:
            raise self.error(op, f"%{self.name(value)} is no aie.lock")
        return found

    def name(self, value: SSAValue) -> str:
        return self.parsed.reader.names.get(value, "?")

    def symbol(self, op: Operation, reference: Attribute | None, what: str) -> str:
        """The name that a symbol reference has, which must be defined in the device."""
        if not isinstance(reference, SymbolRefAttr):
            raise self.error(op, f"{op.name} needs `{what} = @name`")
        found = reference.root_reference.data
        if found not in self.symbols:
            raise self.error(op, f"@{found} is not defined in this device")
        return found

    def walk(self, *kinds: type[Operation]) -> Iterator[Operation]:
        """The operations of some kinds in the device, in the order of the text."""
        for op in self.device.walk():
            if isinstance(op, kinds):
                yield op


def memref(scope: Scope, op: Operation, type: Attribute) -> Memref:
    """A memref type as the design has it."""
    ranked = syntax.as_memref(type)
    if ranked is None:
        raise scope.error(op, f"a memref is expected here, not {type}")
    found = Memref(str(ranked.element_type), tuple(ranked.get_shape()))
    if item_bytes(found.dtype) is None:
        raise scope.error(op, f"{op.name}: elements of type {found.dtype} have no size that a DMA can move")
    if any(size < 0 for size in found.shape):
        raise scope.error(op, f"{op.name}: the sizes of {type} must be numbers")
    return found


def contents(dense: Attribute | None) -> bytes | None:
    """The bytes of a dense attribute."""
    return bytes(dense.data.data) if isinstance(dense, DenseIntOrFPElementsAttr) else None


def declared(op: Operation) -> str | None:
    """The symbol that an operation defines."""
    found = op.properties.get("sym_name", op.attributes.get("sym_name"))
    return found.data if isinstance(found, StringAttr) else None


def read_scope(parsed: Parsed, device: DeviceOp) -> Scope:
    """Collects tiles, buffers, locks and symbols of a device. Raises DesignError for one that is given twice."""
    scope = Scope(parsed, device)
    _symbols(scope)
    columns = hardware.COLUMNS[device.device.data]
    seen: dict[Tile, Place] = {}
    for op in scope.walk(TileOp):
        tile = Tile(syntax.integer(op, "col"), syntax.integer(op, "row"))
        if not (0 <= tile.column < columns and 0 <= tile.row < hardware.ROWS):
            raise scope.error(
                op,
                f"tile ({tile.column}, {tile.row}) is outside {device.device.data}, which has columns 0 to "
                f"{columns - 1} and rows 0 to {hardware.ROWS - 1}",
            )
        if tile in seen:
            raise scope.error(op, f"{hardware.name(tile)} is declared already, in line {seen[tile].line}: use that one")
        seen[tile] = scope.place(op)
        scope.tiles[op.results[0]] = tile
    _buffers(scope)
    _locks(scope)
    return scope


def _symbols(scope: Scope) -> None:
    for op in scope.device.walk():
        name = declared(op)
        if name is None or op is scope.device:
            continue
        if name in scope.symbols:
            first = scope.place(scope.symbols[name])
            raise scope.error(op, f"@{name} is defined already, in line {first.line}: give one of them another name")
        scope.symbols[name] = op


def _free(name: str, taken: Mapping[str, object]) -> str:
    """`name`, numbered where it is taken: SSA names may repeat in regions beside each other."""
    count = 1
    while (numbered := name if count == 1 else f"{name}.{count}") in taken:
        count += 1
    return numbered


def _buffers(scope: Scope) -> None:
    taken: dict[str, object] = dict(scope.symbols)
    for op in scope.walk(BufferOp, ExternalBufferOp):
        value = op.results[0]
        tile = scope.tile(op, op.operands[0]) if isinstance(op, BufferOp) else HOST
        if isinstance(op, BufferOp) and hardware.kind(tile) == "shim":
            raise scope.error(op, f"{hardware.name(tile)} has no memory for a buffer: use a compute or memory tile")
        name = declared(op) or _free(scope.name(value), taken)
        taken[name] = op
        address = syntax.optional_integer(op, "address") if isinstance(op, BufferOp) else None
        initial = contents(op.properties.get("initial_value"))
        scope.buffers[value] = Buffer(name, tile, memref(scope, op, value.type), initial, address, scope.place(op))


def _locks(scope: Scope) -> None:
    taken: dict[str, object] = dict(scope.symbols)
    for op in scope.walk(LockOp):
        value = op.results[0]
        name = declared(op) or _free(scope.name(value), taken)
        taken[name] = op
        scope.locks[value] = Lock(
            name,
            scope.tile(op, op.operands[0]),
            syntax.optional_integer(op, "lockID"),
            syntax.integer(op, "init"),
            scope.place(op),
        )
