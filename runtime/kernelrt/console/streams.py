"""stdout and stderr that may be closed, full, or of an encoding that lacks a character.

A result that cannot be printed is an error; a message that cannot be is not: the exit code says what happened.
"""

import io
import os
import sys

if sys.version_info >= (3, 12):
    from collections.abc import Buffer
else:
    from typing import Any as Buffer


class BrokenOutputError(Exception):
    """stdout does not take what is printed. No OSError: for some of these typer has an exit code of its own."""

    def __init__(self, error: OSError) -> None:
        super().__init__(f"stdout: {error.strerror or error}")
        self.left = isinstance(error, BrokenPipeError)  # the reader has seen enough


class _Result(io.FileIO):
    """Raises BrokenOutputError once, and drops what comes after: Python flushes again at its end."""

    broken = False

    def write(self, data: Buffer, /) -> int | None:
        if self.broken:
            return len(data)
        try:
            return super().write(data)
        except OSError as e:
            self.broken = True
            raise BrokenOutputError(e) from None


class _Message(io.FileIO):
    """Drops what it cannot write."""

    def write(self, data: Buffer, /) -> int | None:
        try:
            return super().write(data)
        except OSError:
            return len(data)


def prepare() -> None:
    """Puts such streams in place of Python's, and something behind each descriptor that is closed: a file that is
    opened must not become stdout."""
    while (fd := os.open(os.devnull, os.O_RDONLY)) <= 2:  # what is written to it fails
        pass
    os.close(fd)
    out, err = (getattr(stream, "encoding", None) or "utf-8" for stream in (sys.stdout, sys.stderr))
    raw = _Result(1, "w", closefd=False)
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(raw), encoding=out, errors="backslashreplace", line_buffering=raw.isatty()
    )
    buffered = io.BufferedWriter(_Message(2, "w", closefd=False))
    sys.stderr = io.TextIOWrapper(buffered, encoding=err, errors="backslashreplace", line_buffering=True)
