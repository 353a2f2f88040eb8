"""The verbs of `kernelc`."""

import typer

from kernelc.commands.build import build
from kernelc.commands.cache import cache
from kernelc.commands.doctor import doctor
from kernelc.commands.estimate import estimate
from kernelc.commands.explain import explain
from kernelc.commands.plan import plan
from kernelc.commands.show import show
from kernelc.commands.tune import tune
from kernelc.commands.verify import verify
from kernelc.commands.version import version

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
for verb in (tune, doctor, estimate, version):
    app.command()(verb)
