"""A core's module after parsing: walking it, places in it, what a memref stands for."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from kernelrt.npu.errors import DesignError
from kernelrt.npu.jit.api import Mlir, Operation, Value
from kernelrt.npu.jit.operations import SITE
from kernelrt.npu.jit.rewrite import CORE, Program

# A pass of IREE's puts lines of its own in front of the place.
_LOCATION = re.compile(r'"[^"]*":(\d+):(\d+)')
# linalg on memrefs and memref.copy become loops, affine becomes scf and arith: fewer operations to know. Only where
# there are some: the passes also remove what has no effect, such as a loop that waits for memory to change.
_NOT_LOOPS = ("affine.", "linalg.", "memref.copy")
_TO_LOOPS = "func.func(iree-codegen-memrefcopy-to-linalg,convert-linalg-to-loops),lower-affine"

_BUFFER = re.compile(r"%kernelrt_buffer_(\d+)")
_NOISE = ("see current operation", "Available dialects")  # the whole operation; every dialect that IREE has
_NO_BODY = "is only declared: the simulator cannot run external object code (link_with); write the function in MLIR"


@dataclass(frozen=True, slots=True)
class Parsed:
    """The program and its operations: scf or cf, arith, vector, memref, math, func."""

    mlir: Mlir
    program: Program
    root: Operation

    @staticmethod
    def of(mlir: Mlir, program: Program) -> "Parsed":
        """Parses and verifies. Raises DesignError with the first of MLIR's messages."""
        context = mlir.context()
        try:
            root = mlir.ir.Module.parse(program.text, context).operation
        except mlir.ir.MLIRError as error:
            found = error.error_diagnostics[0]
            notes = [note.message for note in found.notes if not note.message.startswith(_NOISE)]
            message = "; ".join([found.message, *notes])
            raise Parsed(mlir, program, None).error_at(str(found.location), message) from None
        parsed = Parsed(mlir, program, root)
        parsed.used()
        if any(str(operation.name).startswith(_NOT_LOOPS) for operation in walk(root)):
            mlir.run(root, _TO_LOOPS)
        return parsed

    def functions(self) -> dict[str, Operation]:
        found: dict[str, Operation] = {}
        for operation in self.root.regions[0].blocks[0].operations:
            if operation.operation.name == "func.func":
                found[symbol(operation.operation)] = operation.operation
        return found

    def line(self, operation: Operation) -> tuple[int, int]:
        """Line and column in the program's text: the same for all cores with that program."""
        found = _LOCATION.search(str(operation.location))
        return (int(found.group(1)), int(found.group(2))) if found else (1, 1)

    def error(self, operation: Operation, problem: str) -> DesignError:
        return self.error_at(str(operation.location), problem)

    def error_at(self, location: str, problem: str) -> DesignError:
        """The same for what MLIR prints of a location."""
        found = _LOCATION.search(location)
        where = self.program.place(*map(int, found.groups())) if found else self.program.body.where
        problem = _BUFFER.sub(lambda match: f"%{self.program.buffers[int(match.group(1))].name}", problem)
        return DesignError.at(self.program.file, where, _short(" ".join(problem.split())))

    def used(self) -> list[Operation]:
        """The core and the functions that it calls, directly or not. Raises DesignError where one of them calls itself
        or has no body."""
        functions = self.functions()
        found: dict[str, Operation] = {}

        def visit(name: str, trail: tuple[str, ...]) -> None:
            found[name] = functions[name]
            for operation in walk(functions[name]):
                callee = called(operation)
                if not callee or callee.startswith("kernelrt_"):
                    continue
                if not has_body(functions[callee]):
                    raise self.error(operation, f"@{callee} {_NO_BODY}")
                if callee in (*trail, name):
                    raise self.error(operation, f"@{callee} calls itself: there is no room on a core's stack for that")
                if callee not in found:
                    visit(callee, (*trail, name))

        visit(CORE, ())
        return list(found.values())

    def describe(self, memref: Value) -> str:
        """What a memref is part of, with `{buffer_0}`, `{site_0}` standing for the names that only one core knows."""
        ir = self.mlir.ir
        while True:
            if isinstance(memref, ir.BlockArgument):
                argument = memref
                function = argument.owner.owner.operation  # or a loop
                if function.name == "func.func" and symbol(function) == CORE and argument.arg_number >= 1:
                    return f"buffer {{buffer_{argument.arg_number - 1}}}"
                return f"the {memref.type}"
            owner = memref.owner.operation
            callee = called(owner)
            if callee and callee.startswith(SITE):
                return f"an object of {{site_{callee.removeprefix(SITE)}}}"
            if owner.name in ("memref.alloca", "memref.alloc") or not list(owner.operands):
                return f"the {memref.type}"
            memref = owner.operands[0]


def walk(operation: Operation) -> Iterator[Operation]:
    """The operations inside, each before those inside of it."""
    for region in operation.regions:
        for block in region.blocks:
            for inner in block.operations:
                yield inner.operation
                yield from walk(inner.operation)


def called(operation: Operation) -> str | None:
    """The function that a func.call calls."""
    return _symbol(operation.attributes["callee"]) if operation.name == "func.call" else None


def symbol(function: Operation) -> str:
    return _symbol(function.attributes["sym_name"])


def has_body(function: Operation) -> bool:
    return len(function.regions[0].blocks) > 0


def _symbol(attribute: object) -> str:
    return str(attribute).lstrip("@").strip('"')


def _short(message: str) -> str:
    return message if len(message) <= 300 else message[:297] + "..."
