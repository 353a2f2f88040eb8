"""The command `kernelc`. Imports little before it listens to signals."""

from __future__ import annotations

from kernelrt.console.main import run

TYPE_CHECKING = False  # as typing's, which takes 5 ms to import
if TYPE_CHECKING:
    from typer import Typer


def main() -> None:
    """Runs `kernelc` and exits."""
    run("kernelc", _app, "interrupted; nothing is half written, and the same command goes on from here")


def _app() -> Typer:
    from kernelc.app import app

    return app
