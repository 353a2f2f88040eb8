"""A program that starts others: run for a limited time, and nothing of it left."""

import ctypes
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from kernelc.errors import ToolError

_PR_SET_PDEATHSIG = 1


def run(command: Sequence[str], folder: Path, environment: Mapping[str, str], timeout: float) -> tuple[int | None, str]:
    """The exit status (None: stopped for its time) and all that it said. Nothing that it started outlives this call."""
    library = ctypes.CDLL(None)

    def prepare() -> None:
        library.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # a build that is killed leaves no compiler behind

    with (folder / "said").open("w+b") as said:
        try:
            process = subprocess.Popen(
                command,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=prepare,
            )
        except OSError as error:
            raise ToolError(f"{command[0]} cannot be started: {error.strerror}") from error
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        said.seek(0)
        return code, said.read().decode("utf-8", "replace")


def fate(code: int) -> str:
    """How a process with that exit status ended."""
    if code >= 0:
        return f"exited with code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"
