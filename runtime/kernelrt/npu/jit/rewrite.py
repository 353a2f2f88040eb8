"""A core's body as a function of standard MLIR, in a module with all that it uses."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from kernelrt.npu.design import Buffer, Core
from kernelrt.npu.errors import DesignError
from kernelrt.npu.jit.cursor import Cursor, Unexpected
from kernelrt.npu.jit.operations import TOKEN, VALUE, Operations, Site
from kernelrt.npu.jit.sourcemap import Edit, Edited
from kernelrt.npu.place import Place

CORE = "kernelrt_core"
FAULT = "kernelrt_fault"  # (number of the fault, a value)
COUNT = "kernelrt_count"  # (number of the counter, how much)
SPIN = "kernelrt_spin"  # (number of the counter, number of the site)

_COMMENT = re.compile(r'"(?:\\.|[^"\\\n])*"|//[^\n]*')


@dataclass(frozen=True, slots=True)
class Program:
    """`text` is a module whose core body is `body`, from line `first_line` on. `buffers` are the memory of the pointer
    arguments behind the state. Programs that differ only in the names of buffers, objectfifos and locks, and in where
    they stand, are equal: `signature` is what is left of the sites."""

    text: str
    first_line: int
    signature: tuple[tuple[str, int, str], ...]
    body: Edited = field(compare=False)
    sites: tuple[Site, ...] = field(compare=False)
    buffers: tuple[Buffer, ...] = field(compare=False)
    file: str = field(compare=False)

    def place(self, line: int, column: int) -> Place:
        """The place in the design of one in `text`; the core itself for what was outside of its body."""
        last = self.first_line + self.body.text.count("\n")
        if not self.first_line <= line <= last:
            return self.body.where
        return self.body.place(line - self.first_line + 1, column)


def rewrite(core: Core, buffers: Mapping[str, Buffer], file: str) -> Program:
    """Raises DesignError for an operation that has no place in a core or is not written as mlir-aie writes it."""
    used = [name for name in dict.fromkeys(re.findall(VALUE, _without_comments(core.text))) if name in core.names]
    outer = [name for name in used if core.names[name][0] == "buffer"]
    operations = Operations(core, {name: f"%kernelrt_buffer_{number}" for number, name in enumerate(outer)}, file)
    preamble = _edited(operations, core.preamble, core.where, file, in_core=False)
    body = _edited(operations, core.text, core.where, file, in_core=True)
    constants = [core.names[name][1] for name in used if core.names[name][0] == "constant"]
    memory = tuple(buffers[core.names[name][1]] for name in outer)
    arguments = [f"%kernelrt_buffer_{number}: {buffer.type}" for number, buffer in enumerate(memory)]
    head = "\n".join(
        [
            preamble.text,
            *(site.declaration(number) for number, site in enumerate(operations.sites)),
            f"func.func private @{FAULT}(i64, index) attributes {{hal.import.static}}",
            f"func.func private @{COUNT}(i64, index) attributes {{hal.import.static}}",
            f"func.func private @{SPIN}(i64, i64) attributes {{hal.import.static}}",
            f"func.func @{CORE}({', '.join(['%kernelrt_state: i64', *arguments])}) {{",
            *constants,
        ]
    )
    text = f"{head}\n{body.text}\n}}\n"
    sites = tuple(operations.sites)
    signature = tuple((site.meaning.kind, site.meaning.value, site.result) for site in sites)
    return Program(text, head.count("\n") + 2, signature, body, sites, memory, file)


def _without_comments(text: str) -> str:
    """The same, offsets kept."""
    return _COMMENT.sub(lambda match: match.group() if match.group()[0] == '"' else " " * len(match.group()), text)


def _edited(operations: Operations, text: str, where: Place, file: str, *, in_core: bool) -> Edited:
    code = _without_comments(text)
    blank = Edited.of(text, (), where)
    edits: list[Edit] = []
    behind = 0
    for token in TOKEN.finditer(code):
        if token.start() < behind:
            continue
        name = token.group().strip('"')
        generic = token.group().startswith('"')
        cursor = Cursor(code, token.end())
        place = blank.original_place(token.start()) if in_core else where
        try:
            new = operations.rewritten(name, generic, cursor, place)
        except Unexpected as error:
            at = blank.original_place(error.at) if in_core else where
            raise DesignError.at(file, at, f"{name}: expected {error.expected}") from None
        if new is not None:
            edits.append(Edit(token.start(), cursor.at, new))
            behind = cursor.at
    return Edited.of(text, edits, where)
