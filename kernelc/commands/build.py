"""`kernelc build`"""

import os
import sys
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from kernelc.commands import options as o


class Require(str, Enum):
    """What a build fails without."""

    xclbin = "xclbin"


def build(
    model: o.Model = o.MODEL,
    target: o.Target = o.TARGET,
    quant: o.Quant = o.QUANT,
    seq: o.Seq = o.SEQ,
    batch: o.Batch = o.BATCH,
    embedding: o.Embedding = None,
    tuning: o.Tuning = None,
    npu: o.Npu = o.NpuMode.auto,
    require: Annotated[Require | None, typer.Option(help="Fail where no xclbin can be made.")] = None,
    out: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="The bundle's folder. [default: build/bundles/MODEL-TARGET]"),
    ] = None,
    bundle_file: Annotated[
        str | None, typer.Option(metavar="FILE.kcb", help="Write the bundle as one file too.")
    ] = None,
    only: Annotated[
        str | None, typer.Option(metavar="PATTERN", help="Only kernels of matching names, into the store; no bundle.")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option("-j", "--jobs", metavar="N", min=1, help="Processes. [default: cores]")
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="The store. [default: $KERNELC_STORE, else ~/.cache/kernelc]"),
    ] = None,
    json: o.Json = False,
) -> None:
    """Compile every kernel of a model for a target, and write the bundle."""
    from kernelc import build as builder
    from kernelc.commands.inputs import choose_npu, choose_tools, inputs, open_store
    from kernelc.commands.places import check_places, named
    from kernelc.commands.progress import reporter
    from kernelc.store import default_root
    from kernelrt.console.output import print_json
    from kernelrt.errors import Exit, InputError

    folder, file, root = named("--out", out), named("--bundle-file", bundle_file), named("--store", store)
    if only is not None and (folder or file):
        raise InputError(f"--only {only}: writes no bundle; leave it out, or leave out --out and --bundle-file")
    if require and npu in (o.NpuMode.sim, o.NpuMode.off):
        raise InputError(f"--require {require.value}: with --npu {npu.value} none is made; leave one of them out")
    mode = "xclbin" if require else npu.value
    wanted = inputs(model, target, quant, seq, batch, embedding, mode, tuning)
    wanted = wanted if only is None else wanted.matching(only)
    root = root or default_root()
    outputs: list[Path] = []
    if only is None:
        folder = folder or Path("build", "bundles", f"{wanted.model.name}-{wanted.target.name}")
        outputs = [folder, file] if file else [folder]
        check_places(root, folder, file)
    opened = open_store(root)
    report = reporter()
    with opened.in_use():
        tools, for_npu = choose_tools(wanted.target, opened), choose_npu(wanted, mode, opened)
        for note in (*tools.notes, *(for_npu.tools.notes if for_npu else ())):
            report.note(note)
        cores = len(os.sched_getaffinity(0))
        result = builder.build(wanted.request(tools, npu=for_npu), opened, outputs, jobs or cores, report)
    for failure in result.failures:
        print(f"error: {failure}", file=sys.stderr)
    if json:
        print_json(result.describe())
    else:
        print(result.summary())
    if result.failures:
        raise typer.Exit(Exit.FAILED)
