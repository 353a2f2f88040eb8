"""`kernelc build`"""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from kernelc.commands import options as o


def build(
    model: o.Model = o.MODEL,
    target: o.Target = o.TARGET,
    quant: o.Quant = o.QUANT,
    seq: o.Seq = o.SEQ,
    batch: o.Batch = o.BATCH,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The bundle's folder. [default: build/bundles/MODEL-TARGET]"),
    ] = None,
    bundle_file: Annotated[
        Path | None, typer.Option(metavar="FILE.kcb", help="Write the bundle as one file too.")
    ] = None,
    only: Annotated[
        str | None, typer.Option(metavar="PATTERN", help="Only kernels of matching names, into the store; no bundle.")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option("-j", "--jobs", metavar="N", min=1, help="Processes. [default: cores]")
    ] = None,
    store: o.StoreAt = None,
    json: o.Json = False,
) -> None:
    """Compile every kernel of a model for a target, and write the bundle."""
    from kernelc import build as builder
    from kernelc.commands.inputs import choose_tools, inputs, open_store
    from kernelc.commands.output import print_json
    from kernelc.commands.progress import reporter
    from kernelc.errors import Exit, InputError

    if bundle_file is not None and bundle_file.suffix != ".kcb":
        raise InputError(f"--bundle-file {bundle_file}: the name of a bundle file ends in .kcb")
    if out is not None and out.suffix == ".kcb":
        raise InputError(f"--out {out}: is for a folder; give the file with --bundle-file")
    wanted = inputs(model, target, quant, seq, batch)
    kernels = wanted.kernels if only is None else wanted.matching(only)
    folder = out or Path("build", "bundles", f"{wanted.model.name}-{wanted.target.name}")
    outputs = [] if only is not None else [folder, *([bundle_file] if bundle_file else [])]
    opened = open_store(store)
    report = reporter()
    with opened.in_use():
        tools = choose_tools(wanted.target, opened)
        for note in tools.notes:
            report.note(note)
        cores = len(os.sched_getaffinity(0))
        result = builder.build(wanted.request(tools, kernels), opened, outputs, jobs or cores, report)
    for failure in result.failures:
        print(f"error: {failure}", file=sys.stderr)
    if json:
        print_json(result.describe())
    else:
        print(result.summary())
    if result.failures:
        raise typer.Exit(Exit.BUILD)
