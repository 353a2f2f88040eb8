"""Where something stands in the text of a design."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """Line and column, from 1."""

    line: int
    column: int

    def within(self, file: str) -> str:
        """As messages begin: `f.mlir:3:5`."""
        return f"{file}:{self.line}:{self.column}"
