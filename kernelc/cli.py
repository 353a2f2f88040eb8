"""The command `kernelc`: what an error and an interrupt look like. Imports little before it listens to signals."""

from __future__ import annotations

from kernelc.interrupts import Interrupted, Interrupts

TYPE_CHECKING = False  # as typing's, which takes 5 ms to import
if TYPE_CHECKING:
    from typer import BadParameter

_INTERRUPTED = "error: interrupted; nothing is half written, and the next build goes on from here"


def main() -> None:
    """Runs `kernelc`. An error of the user, the tools or the disk is one line on stderr and a documented exit code."""
    interrupts = Interrupts()
    try:
        interrupts.listen()
        code = _run()
        interrupts.over = True
    except Interrupted:
        interrupts.over = True
        code = _interrupted()
    interrupts.end()
    raise SystemExit(code)


def _run() -> int:
    import sys

    from kernelc.streams import BrokenOutputError, prepare

    prepare()
    from kernelc.errors import Exit

    code = 0
    try:
        try:
            code = _verb()
        finally:
            sys.stdout.flush()
    except BrokenOutputError as e:
        if e.left:
            return code or 128 + 13  # as SIGPIPE ends a program
        print(f"error: {e}", file=sys.stderr)
        return code or Exit.STORE
    return code


def _verb() -> int:
    """The exit code; 0 where the verb gives none."""
    import sys
    from typing import cast

    import typer

    from kernelc.app import app
    from kernelc.errors import Exit, KernelcError
    from kernelrt.errors import BundleError, KernelrtError

    # The UsageError of click, which typer depends on or, by its version, carries under a private name.
    usage_error = cast("type[Exception]", typer.BadParameter.__bases__[0])
    try:
        return int(app(prog_name="kernelc", standalone_mode=False) or Exit.OK)
    except usage_error as e:
        print(_usage(cast(typer.BadParameter, e)), file=sys.stderr)
        return Exit.INPUT
    except KernelcError as e:
        message, code = e, e.exit_code
    except BundleError as e:
        message, code = e, Exit.BUNDLE
    except KernelrtError as e:
        message, code = e, Exit.TOOL
    print(f"error: {message}", file=sys.stderr)
    return code


def _usage(error: BadParameter) -> str:
    """One line on a wrong command line; the help, where there was none."""
    import re

    message = error.format_message()
    if message.startswith("Usage: "):
        return message
    message = re.sub(r"is not a valid int(eger)?( range)?", "is not a whole number", message)
    message = re.sub(r"(\S+) is not in the range x>=(\S+?)\.", r"\1 is less than \2.", message)
    command = error.ctx.command_path if error.ctx else "kernelc"
    return f"error: {' '.join(message.split()).rstrip('.')}; `{command} --help` tells more"


def _interrupted() -> int:
    import sys

    print(_INTERRUPTED, file=sys.stderr)
    return 130
