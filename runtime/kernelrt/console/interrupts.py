"""SIGINT and SIGTERM as an exception that is not lost, wherever it is raised."""

from __future__ import annotations

import signal
import sys

TYPE_CHECKING = False  # as typing's: nothing is imported that takes time before signals are listened to
if TYPE_CHECKING:
    from sys import UnraisableHookArgs
    from types import FrameType

_AGAIN = 0.01  # seconds


class Interrupted(BaseException):
    """Ctrl-C or SIGTERM. Not a KeyboardInterrupt: for that, typer has a message and an exit code of its own."""


class Interrupts:
    """Raises Interrupted at every SIGINT and SIGTERM after `listen()`, until `over` is set.

    An exception that is raised where Python has to drop it (in `__del__`, in a callback of a library) is raised again a
    little later.
    """

    def __init__(self) -> None:
        self.over = False

    def listen(self) -> None:
        signal.signal(signal.SIGINT, self._raise)
        signal.signal(signal.SIGTERM, self._raise)
        signal.signal(signal.SIGALRM, self._raise)
        sys.unraisablehook = self._dropped

    def end(self) -> None:
        """Ignores both from here on: Python's end would give them back their power to kill."""
        self.over = True
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGALRM, signal.SIG_IGN)

    def _raise(self, number: int, frame: FrameType | None) -> None:
        if not self.over:
            raise Interrupted

    def _dropped(self, args: UnraisableHookArgs) -> None:
        if issubclass(args.exc_type, Interrupted):
            signal.setitimer(signal.ITIMER_REAL, _AGAIN)
        else:
            sys.__unraisablehook__(args)
