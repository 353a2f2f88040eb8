"""A command line's way through errors, interrupts and broken pipes. Imports little before it listens to signals."""

from __future__ import annotations

from kernelrt.console.interrupts import Interrupted, Interrupts

TYPE_CHECKING = False  # as typing's, which takes 5 ms to import
if TYPE_CHECKING:
    from collections.abc import Callable

    from typer import BadParameter, Typer


def run(program: str, app: Callable[[], Typer], interrupted: str) -> None:
    """Runs a command line and exits. An error of the user, the tools or the disk is one line on stderr and a documented
    exit code. `app` imports and gives the commands; `interrupted` says what an interrupt left behind.
    """
    interrupts = Interrupts()
    try:
        interrupts.listen()
        code = _run(program, app)
        interrupts.over = True
    except Interrupted:
        interrupts.over = True
        code = _interrupted(interrupted)
    interrupts.end()
    raise SystemExit(code)


def _run(program: str, app: Callable[[], Typer]) -> int:
    import sys

    from kernelrt.console.streams import BrokenOutputError, prepare

    prepare()
    from kernelrt.errors import Exit

    code = 0
    try:
        try:
            code = _verb(program, app)
        finally:
            sys.stdout.flush()
    except BrokenOutputError as e:
        if e.left:
            return code or 128 + 13  # as SIGPIPE ends a program
        print(f"error: {e}", file=sys.stderr)
        return code or Exit.STORE
    return code


def _verb(program: str, app: Callable[[], Typer]) -> int:
    """The exit code; 0 where the verb gives none."""
    import sys
    from typing import cast

    import typer

    from kernelrt.errors import Exit, KernelrtError

    # The UsageError of click, which typer depends on or, by its version, carries under a private name.
    usage_error = cast("type[Exception]", typer.BadParameter.__bases__[0])
    try:
        return int(app()(prog_name=program, standalone_mode=False) or Exit.OK)
    except usage_error as e:
        print(_usage(program, cast(typer.BadParameter, e)), file=sys.stderr)
        return Exit.INPUT
    except KernelrtError as e:
        print(f"error: {e}", file=sys.stderr)
        return e.exit_code


def _usage(program: str, error: BadParameter) -> str:
    """One line on a wrong command line; the help, where there was none."""
    import re

    message = error.format_message()
    if message.startswith("Usage: "):
        return message
    message = re.sub(r"is not a valid int(eger)?( range)?", "is not a whole number", message)
    message = re.sub(r"(\S+) is not in the range x>=(\S+?)\.", r"\1 is less than \2.", message)
    command = error.ctx.command_path if error.ctx else program
    return f"error: {' '.join(message.split()).rstrip('.')}; `{command} --help` tells more"


def _interrupted(message: str) -> int:
    import sys

    from kernelrt.errors import Exit

    print(f"error: {message}", file=sys.stderr)
    return Exit.INTERRUPTED
