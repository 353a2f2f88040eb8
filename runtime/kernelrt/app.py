"""The verbs of `kernelrt`."""

import typer

from kernelrt.commands.bench import bench
from kernelrt.commands.devices import devices
from kernelrt.commands.doctor import doctor
from kernelrt.commands.make_weights import make_weights
from kernelrt.commands.plan_memory import plan_memory
from kernelrt.commands.run import run
from kernelrt.commands.simulate import simulate
from kernelrt.commands.version import version

app = typer.Typer(
    name="kernelrt",
    help="Run a model from a bundle of kernelc on a Vulkan device.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # plain help: rich takes long to import
    pretty_exceptions_enable=False,
)
for verb in (run, bench, make_weights, plan_memory, simulate, devices, doctor, version):
    app.command()(verb)
