"""The text of a design: places in it, and errors that carry them."""

import re
from bisect import bisect_right
from dataclasses import dataclass

from kernelrt.npu.errors import DesignError
from kernelrt.npu.place import Place

_STRING = r'"(?:[^"\\\n\v\f]|\\(?:["nt\\]|[0-9A-Fa-f]{2}))*"'  # as xDSL's lexer has it, but linear in time
_HIDDEN = re.compile(_STRING + r"|//[^\n]*")
_QUOTE = re.compile(_STRING + r'|//[^\n]*|(")')
_WIDE = re.compile(r"(?:(?<![\w.%@#!^$-])|(?<=[\d?]x))[su]?i(\d{5,})\b")  # xDSL would compute their ranges
_BRACE = re.compile(r"[{}]")


@dataclass(frozen=True, slots=True)
class Source:
    """`plain` is the text with comments, and strings that are not single words, blanked out: every other character is
    in its place."""

    file: str
    text: str
    plain: str
    lines: tuple[int, ...]

    @staticmethod
    def of(text: str, file: str) -> "Source":
        starts = (0, *(match.end() for match in re.finditer("\n", text)))
        return Source(file, text, _HIDDEN.sub(_blank, text), starts)

    def place(self, offset: int) -> Place:
        line = bisect_right(self.lines, offset)
        return Place(line, offset - self.lines[line - 1] + 1)

    def offset(self, place: Place) -> int:
        return self.lines[place.line - 1] + place.column - 1

    def error(self, where: "int | Place", problem: str) -> DesignError:
        return DesignError.at(self.file, where if isinstance(where, Place) else self.place(where), problem)

    def balanced(self) -> None:
        """Raises DesignError where quotes or braces do not pair, or a type is absurd."""
        for match in _QUOTE.finditer(self.text):
            if match.group(1):
                raise self.error(match.start(), "this string is not closed on its line, or has an unknown escape")
        for match in _WIDE.finditer(self.plain):
            raise self.error(match.start(), f"an integer type of {match.group(1)} bits")
        open_braces: list[int] = []
        for match in _BRACE.finditer(self.plain):
            if match.group() == "{":
                open_braces.append(match.start())
            elif not open_braces:
                raise self.error(match.start(), "this `}` closes nothing: there is one too many")
            else:
                open_braces.pop()
        if open_braces:
            raise self.error(open_braces[-1], "this `{` is never closed: a `}` is missing before the end of the file")

    def closing(self, opening: int) -> int:
        """Offset of the brace that closes the one at `opening`."""
        depth = 0
        for match in _BRACE.finditer(self.plain, opening):
            depth += 1 if match.group() == "{" else -1
            if depth == 0:
                return match.start()
        raise self.error(opening, "this `{` is never closed")


def _blank(match: re.Match[str]) -> str:
    found = match.group()
    if found[0] != '"':
        return " " * len(found)
    return found if found[1:-1].isidentifier() else '"' + " " * (len(found) - 2) + '"'
