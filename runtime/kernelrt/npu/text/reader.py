"""xDSL's parser, told to remember where each operation stands and to leave some regions as text."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from xdsl.context import Context
from xdsl.dialects.builtin import AnyFloat, ComplexType, IndexType, IntegerType, RankedStructure
from xdsl.ir import AttributeInvT, Operation, SSAValue
from xdsl.parser import Parser, UnresolvedOperand
from xdsl.utils.lexer import Span as Characters
from xdsl.utils.mlir_lexer import MLIRTokenKind

from kernelrt.npu.text.source import Source

_ROUTED = "a routed design: give the design as it is before aie-create-pathfinder-flows"
_ONE_DEVICE = "reconfiguring the array is not supported: one aie.device a design"
_CORE = "it belongs inside aie.core"
# Operations of mlir-aie that are known but not taken, and why.
REFUSED = {
    "aie.switchbox": _ROUTED,
    "aie.shim_mux": _ROUTED,
    "aie.wire": _ROUTED,
    "aie.plio": "npu1 has no programmable logic",
    "aie.logical_tile": "a tile without coordinates: place it first, or write aie.tile(column, row)",
    "aie.objectfifo.register_process": "run aie-register-objectFifos first, or write the core's acquires and releases",
    "aie.objectfifo.register_external_buffers": "pass the buffer as an argument of aie.runtime_sequence",
    "aie.objectfifo.acquire": _CORE,
    "aie.objectfifo.release": _CORE,
    "aie.objectfifo.subview.access": _CORE,
    "aie.put_cascade": _CORE,
    "aie.get_cascade": _CORE,
    "aiex.control_packet": "control packets are not supported",
    "aiex.configure": _ONE_DEVICE,
    "aiex.run": _ONE_DEVICE,
    "aiex.npu.load_pdi": _ONE_DEVICE,
}
MOST_ELEMENTS = 2**20
_RESULTS = re.compile(r"(?:%[^=]*=)?\s*")
_PARENTHESIS = re.compile(r"[()]")
_UNKNOWN = IndexType()  # resolve_operand refuses what has no definition before it looks at the type


@dataclass(frozen=True, slots=True)
class Span:
    """Where an operation stands: offsets of its first character (a result's, if any), of its name, and behind it."""

    start: int
    name: int
    end: int


@dataclass(frozen=True, slots=True)
class Verbatim:
    """A region that was not parsed: what stands between its braces, and the offset of its first character."""

    text: str
    offset: int


class Reader(Parser):
    """`spans` has the place of each operation, `names` what the text calls each SSA value (without %), `aliases` where
    `#name = ...` and `!name = ...` stand. Values are defined before they are used."""

    def __init__(self, context: Context, source: Source) -> None:
        super().__init__(context, source.text, source.file)
        self.source = source
        self.spans: dict[Operation, Span] = {}
        self.names: dict[SSAValue, str] = {}
        self.aliases: list[tuple[int, int]] = []

    def parse_operation(self) -> Operation:
        start = self._current_token.span.start
        op = super().parse_operation()
        found = _RESULTS.match(self.source.plain, start)
        self.spans[op] = Span(start, found.end() if found else start, self._current_token.span.start)
        return op

    def resolve_operand(self, operand: UnresolvedOperand, type: AttributeInvT) -> SSAValue[AttributeInvT]:
        if operand.operand_name not in self.ssa_values:
            raise self.source.error(
                operand.span.start, f"%{operand.operand_name} is not defined here: define it above, in the same device"
            )
        return super().resolve_operand(operand, type)

    def value(self) -> SSAValue:
        """An operand whose type the syntax does not give."""
        operand = self.parse_unresolved_operand()
        known = self.ssa_values.get(operand.operand_name, ())
        return self.resolve_operand(operand, known[operand.index].type if operand.index < len(known) else _UNKNOWN)

    def optional_value(self) -> SSAValue | None:
        return self.value() if self._current_token.kind == MLIRTokenKind.PERCENT_IDENT else None

    def word(self) -> str | None:
        """The bare identifier that comes next, not consumed."""
        token = self._current_token
        return token.span.text if token.kind == MLIRTokenKind.BARE_IDENT else None

    def verbatim(self) -> Verbatim:
        """The region that comes next, as text."""
        opening = self._current_token
        if opening.kind != MLIRTokenKind.L_BRACE:
            self.raise_error("a region `{ ... }` is expected here")
        closing = self.source.closing(opening.span.start)
        self._resume_from(closing + 1)
        first = opening.span.start + 1
        return Verbatim(self.source.text[first:closing], first)

    def at_brace(self) -> bool:
        """Whether a region comes next."""
        return self._current_token.kind == MLIRTokenKind.L_BRACE

    def skip_parenthesised(self) -> bool:
        """Passes over what stands in parentheses, if they come next."""
        if self._current_token.kind != MLIRTokenKind.L_PAREN:
            return False
        opening, depth = self._current_token.span.start, 0
        for match in _PARENTHESIS.finditer(self.source.plain, opening):
            depth += 1 if match.group() == "(" else -1
            if depth == 0:
                self._resume_from(match.end())
                return True
        raise self.source.error(opening, "this `(` is never closed")

    def visible(self, names: Sequence[str]) -> dict[str, SSAValue]:
        """Those of `names` that are values here."""
        return {name: self.ssa_values[name][0] for name in names if name in self.ssa_values}

    def _register_ssa_definition(self, name: str, values: Sequence[SSAValue], span: Characters) -> None:
        super()._register_ssa_definition(name, values, span)
        self.names.update((value, name) for value in values)

    def _parse_alias_def(self) -> None:
        start = self._current_token.span.start
        super()._parse_alias_def()
        self.aliases.append((start, self._current_token.span.start))

    def _parse_dense_literal_type(self) -> RankedStructure[IntegerType | IndexType | AnyFloat | ComplexType]:
        where = self._current_token.span.start
        type = super()._parse_dense_literal_type()
        self.check_elements(prod(type.get_shape()), where)
        return type

    def check_elements(self, count: int, where: int) -> None:
        """Refuses a literal that would not fit into any memory of the array."""
        if count > MOST_ELEMENTS:
            raise self.source.error(where, f"{count} elements: no memory of the array holds so many")

    def _get_op_by_name(self, name: str) -> type[Operation]:
        known = self.ctx.get_optional_op(name, dialect_stack=self._parser_state.dialect_stack)
        if known is not None:
            return known
        where = self.source.text.rfind(name, 0, self._current_token.span.start)
        reason = REFUSED.get(name, "this operation is not known, or not outside a core")
        raise self.source.error(max(where, 0), f"{name}: {reason}")
