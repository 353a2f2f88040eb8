"""From places in a rewritten text back to the text that it was made from."""

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from kernelrt.npu.place import Place


@dataclass(frozen=True, slots=True)
class Edit:
    """`text` in place of what stood from `start` to `end`."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Edited:
    """A text after edits (in order, not overlapping). `where` is the place of the original's first character, `starts`
    the offsets of the lines."""

    text: str
    original: str
    edits: tuple[Edit, ...]
    where: Place
    starts: tuple[int, ...]
    original_starts: tuple[int, ...]

    @staticmethod
    def of(original: str, edits: Sequence[Edit], where: Place) -> "Edited":
        pieces: list[str] = []
        at = 0
        for edit in edits:
            pieces += [original[at : edit.start], edit.text]
            at = edit.end
        text = "".join([*pieces, original[at:]])
        return Edited(text, original, tuple(edits), where, _line_starts(text), _line_starts(original))

    def place(self, line: int, column: int) -> Place:
        """The place in the original of a line and column (from 1) of the edited text; of a new piece, its start."""
        return self.original_place(self._original_offset(self.starts[line - 1] + column - 1))

    def original_place(self, offset: int) -> Place:
        line = bisect_right(self.original_starts, offset)
        column = offset - self.original_starts[line - 1] + 1
        return Place(self.where.line + line - 1, column + self.where.column - 1 if line == 1 else column)

    def _original_offset(self, offset: int) -> int:
        moved = 0  # how much further the edited text is than the original
        for edit in self.edits:
            if offset < edit.start + moved:
                break
            if offset < edit.start + moved + len(edit.text):
                return edit.start
            moved += len(edit.text) - (edit.end - edit.start)
        return min(offset - moved, len(self.original))


def _line_starts(text: str) -> tuple[int, ...]:
    return (0, *(match.end() for match in re.finditer("\n", text)))
