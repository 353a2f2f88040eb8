"""The command `kernelc`: its verbs, and what an error looks like."""

import signal
import sys
from types import FrameType

import typer

from kernelc.commands.build import build
from kernelc.commands.cache import cache
from kernelc.commands.doctor import doctor
from kernelc.commands.estimate import estimate
from kernelc.commands.explain import explain
from kernelc.commands.plan import plan
from kernelc.commands.show import show
from kernelc.commands.verify import verify
from kernelc.commands.version import version
from kernelc.errors import Exit, KernelcError
from kernelrt.errors import BundleError, KernelrtError

app = typer.Typer(
    name="kernelc",
    help="Compile a model's kernels, specialised for one machine, into a verified bundle.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # plain help: rich alone takes longer to import than a build with nothing to do
    pretty_exceptions_enable=False,
)
for verb in (build, plan, verify, show, explain):
    app.command()(verb)
app.add_typer(cache, name="cache")
for verb in (doctor, estimate, version):
    app.command()(verb)


class Interrupted(BaseException):
    """Ctrl-C or SIGTERM. Not a KeyboardInterrupt: for that, typer has a message and an exit code of its own."""


def main() -> None:
    """Runs `kernelc`. An error of the user, the tools or the disk is one line on stderr and a documented exit code."""
    signal.signal(signal.SIGINT, _interrupt)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        app()
    except KernelcError as e:
        _fail(str(e), e.exit_code)
    except BundleError as e:
        _fail(str(e), Exit.BUNDLE)
    except KernelrtError as e:
        _fail(str(e), Exit.TOOL)
    except Interrupted:
        _fail("interrupted; nothing is half written, and the next build goes on from here", Exit.INTERRUPTED)


def _interrupt(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # once is enough: what follows is only cleaning up
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Interrupted


def _fail(message: str, code: Exit) -> None:
    print(f"error: {message}", file=sys.stderr)
    sys.exit(code)
