"""The command `kernelrt`. Imports little before it listens to signals."""

from __future__ import annotations

from kernelrt.console.main import run

TYPE_CHECKING = False  # as typing's, which takes 5 ms to import
if TYPE_CHECKING:
    from typer import Typer


def main() -> None:
    """Runs `kernelrt` and exits."""
    run("kernelrt", _app, "interrupted; nothing is half written")


def _app() -> Typer:
    from kernelrt.app import app

    return app
