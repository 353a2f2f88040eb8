"""The real command `kernelrt`, in this process or in one of its own."""

import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from kernelrt.app import app
from kernelrt.console import main as console
from tests.fixtures.cli import ROOT, environment

CPU = ("--device", "llvmpipe")
NO_DRIVER: dict[str, Any] = {"VK_DRIVER_FILES": os.devnull, "VK_ICD_FILENAMES": os.devnull}


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "kernelrt", *map(str, arguments)]


def kernelrt(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    """The command in this process: all of it but signals and streams, and without a second of imports."""
    words = ["kernelrt", *map(str, arguments)]
    argv, sys.argv = sys.argv, words
    out, err = io.StringIO(), io.StringIO()
    try:
        with redirect_stdout(out), redirect_stderr(err):
            code = console._verb("kernelrt", lambda: app)
    finally:
        sys.argv = argv
    return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())


def process(
    *arguments: str | Path, cwd: Path = ROOT, after: str | None = None, **more: str
) -> "subprocess.CompletedProcess[str]":
    """The command in a process of its own, which first executes a piece of Python where one is given."""
    line = command(*arguments) if after is None else prepared(after, *arguments)
    env = environment(**more)
    return subprocess.run(line, cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=120)


def told(*arguments: str | Path) -> Any:
    """What a verb that succeeds says in JSON."""
    done = kernelrt(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def prepared(preparation: str, *arguments: str | Path) -> list[str]:
    """The command line of a process that first executes a piece of Python, and then is `kernelrt`."""
    words = ["kernelrt", *map(str, arguments)]
    program = f"import sys; sys.argv = {words!r}\n{preparation}\nfrom kernelrt.cli import main; main()"
    return [sys.executable, "-c", program]
