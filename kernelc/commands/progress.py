"""How a build tells of itself: a bar on a terminal, plain lines in a pipe, both on stderr."""

import sys
from typing import TYPE_CHECKING

from kernelc.build import Report

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Lines:
    """A line for each kernel that is compiled or fails; none for what is in the store."""

    def __init__(self) -> None:
        self._to_compile = 0
        self._done = 0

    def begin(self, total: int, to_compile: int) -> None:
        self._to_compile = to_compile
        if to_compile:
            print(f"{total} kernels: {total - to_compile} in the store, {to_compile} to compile", file=sys.stderr)

    def done(self, kernel: str, state: str) -> None:
        self._done += 1
        width = len(str(self._to_compile))
        print(f"[{self._done:{width}}/{self._to_compile}] {state} {kernel}", file=sys.stderr)

    def note(self, message: str) -> None:
        print(f"note: {message}", file=sys.stderr)

    def end(self) -> None:
        sys.stderr.flush()


class Bar:
    """A bar, once there is something to compile."""

    def __init__(self) -> None:
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def begin(self, total: int, to_compile: int) -> None:
        if not to_compile:
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
        # No refreshing thread: the workers are forked while the bar is there.
        self._bar = Progress(*columns, console=Console(stderr=True), auto_refresh=False, transient=True)
        self._bar.start()
        self._task = self._bar.add_task("", total=to_compile)

    def done(self, kernel: str, state: str) -> None:
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, advance=1, description=f"{state} {kernel}", refresh=True)

    def note(self, message: str) -> None:
        if self._bar is not None:
            self._bar.stop()
        print(f"note: {message}", file=sys.stderr)
        if self._bar is not None:
            self._bar.start()

    def end(self) -> None:
        if self._bar is not None:
            self._bar.stop()


def reporter() -> Report:
    """The one that suits stderr."""
    return Bar() if sys.stderr.isatty() else Lines()
