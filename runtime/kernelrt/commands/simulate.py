"""`kernelrt simulate`"""

from typing import TYPE_CHECKING, Annotated

import typer

from kernelrt.commands import options as o

if TYPE_CHECKING:
    from kernelrt.npu.sim.machine import Simulator


def simulate(
    design: Annotated[str, typer.Argument(metavar="DESIGN.mlir", help="A design in mlir-aie's language, for npu1.")],
    arg: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE.npy[:rw]",
            help="An argument of the runtime sequence, in their order. With :rw it is written back; if it is not "
            "there, it starts as zeros. bf16 as uint16.",
        ),
    ] = None,
    sequence: Annotated[
        str | None, typer.Option(metavar="NAME", help="Which runtime sequence. [default: the only one]")
    ] = None,
    device: Annotated[
        str | None, typer.Option(metavar="NAME", help="Which aie.device of the file. [default: the only one]")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(metavar="N", help="Run what can go on in a random order, which must change no result.")
    ] = None,
    poison: Annotated[bool, typer.Option("--poison", help="Memory that nobody wrote holds NaNs.")] = False,
    limit: Annotated[
        float | None, typer.Option(metavar="SECONDS", min=0, help="Give up after so long. [default: never]")
    ] = None,
    report: Annotated[bool, typer.Option("--report", help="Print what each tile did, with modelled cycles.")] = False,
    json: o.Json = False,
) -> None:
    """Run a design for the NPU on the simulator.

    Exit code 1 where the design deadlocks or does what the hardware leaves undefined, 2 where the design or an argument
    is wrong. Then no file is written.
    """
    from kernelrt.commands.simulated import Argument, read_text
    from kernelrt.console.output import print_json
    from kernelrt.npu.sim.machine import Options
    from kernelrt.npu.sim.machine import Simulator as Machine
    from kernelrt.npu.text.load import load

    given = Argument.parse(arg or ())
    loaded = load(read_text(design), design, device)
    machine: Simulator = Machine(loaded, Options(seed=seed, poison=poison, limit_s=limit))
    found = machine.sequence(sequence)
    arrays = Argument.read(given, found, design)
    done = machine.run(found.name, arrays)
    for argument, array in zip(given, arrays, strict=True):
        argument.write(array)
    if json:
        print_json(done.describe())
    elif report:
        print(done.text())
    else:
        print(f"{design}: {found.name or 'the runtime sequence'} ended after {done.cycles:,} cycles (modelled)")
        for warning in done.warnings:
            print(f"warning: {warning}")
