"""How loading and measuring tell of themselves: a bar on a terminal, plain lines in a pipe, both on stderr."""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_REFRESH = 0.1  # seconds


class Lines:
    """One line for each thing that begins."""

    def __init__(self) -> None:
        self._what = ""

    def __call__(self, what: str, done: int, total: int) -> None:
        if what != self._what:
            self._what = what
            print(f"{what} ...", file=sys.stderr)


class Bar:
    """One bar for each thing."""

    def __init__(self, bars: "Progress") -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}
        self._shown = 0.0

    def __call__(self, what: str, done: int, total: int) -> None:
        if what not in self._tasks:
            self._tasks[what] = self._bars.add_task(what, total=total)
        now = monotonic()
        due = done >= total or now - self._shown >= _REFRESH
        self._bars.update(self._tasks[what], completed=done, total=total, refresh=due)
        if due:
            self._shown = now


@contextmanager
def progress() -> Generator[Lines | Bar]:
    """The one that suits stderr, to be called with (what, done, total); it is gone from a terminal at the end."""
    if not sys.stderr.isatty():
        yield Lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), auto_refresh=False, transient=True) as bars:
        yield Bar(bars)
