"""Reading the few tokens of MLIR's syntax that operations of the aie dialect are made of."""

import re

_SPACE = re.compile(r"\s*")
_CLOSING = {"(": ")", "[": "]", "{": "}", "<": ">"}
_BRACKETS = re.compile(r'"(?:\\.|[^"\\])*"|->|[()\[\]{}<>]')
_TYPE = re.compile(r"!?[A-Za-z_][\w.$]*")


class Unexpected(Exception):
    """The text is not what was expected `at` that offset."""

    def __init__(self, at: int, expected: str) -> None:
        super().__init__(expected)
        self.at = at
        self.expected = expected


class Cursor:
    """A position in a text whose comments are blanked out; white space before a token is skipped."""

    def __init__(self, text: str, at: int) -> None:
        self.text = text
        self.at = at

    def take(self, pattern: str) -> re.Match[str] | None:
        """The token if it comes next, and moves behind it."""
        start = self._start()
        match = re.compile(pattern).match(self.text, start)
        if match:
            self.at = match.end()
        return match

    def need(self, pattern: str, expected: str) -> re.Match[str]:
        match = self.take(pattern)
        if not match:
            raise Unexpected(self._start(), expected)
        return match

    def group(self, opening: str) -> str | None:
        """What stands between a bracket and the one that closes it, if that bracket comes next."""
        start = self._start()
        if not self.text.startswith(opening, start):
            return None
        depth = 0
        for match in _BRACKETS.finditer(self.text, start):
            token = match.group()
            if token in _CLOSING:
                depth += 1
            elif token in _CLOSING.values():
                depth -= 1
            if depth == 0:
                self.at = match.end()
                return self.text[start + 1 : match.start()]
        raise Unexpected(start, f"`{_CLOSING[opening]}` to close this")

    def type(self) -> str:
        """A type that is not a function's."""
        start = self._start()
        match = _TYPE.match(self.text, start)
        if not match:
            raise Unexpected(start, "a type")
        self.at = match.end()
        if self.text.startswith("<", self.at):
            self.group("<")
        return self.text[start : self.at]

    def _start(self) -> int:
        match = _SPACE.match(self.text, self.at)
        return match.end() if match else self.at
