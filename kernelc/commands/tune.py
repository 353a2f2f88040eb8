"""`kernelc tune`"""

import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated

import typer

from kernelc.commands import options as o

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from kernelc.toolset import Toolset
    from kernelc.tune.result import Subject, Tuning
    from kernelc.tune.search import Judge, State
    from kernelc.tune.space import Group, Space


def tune(
    model: o.Model = o.MODEL,
    target: o.Target = o.TARGET,
    quant: o.Quant = o.QUANT,
    seq: o.Seq = o.SEQ,
    batch: o.Batch = o.BATCH,
    embedding: o.Embedding = None,
    device: Annotated[
        str | None, typer.Option(metavar="NAME|INDEX", help="The Vulkan device. [default: the best]")
    ] = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Without a device: by a model of the offline compiler's machine code.")
    ] = False,
    families: Annotated[
        str | None, typer.Option(metavar="NAME,NAME,…", help="Only the sizes of these kernel families.")
    ] = None,
    budget: Annotated[float, typer.Option(metavar="SECONDS", help="Time for the search.")] = 600.0,
    out: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="The result. [default: build/tuning/TARGET-MODEL-QUANT.json]"),
    ] = None,
    json: o.Json = False,
) -> None:
    """Search the best sizes of the kernels on a device; a search that ended early goes on from its file."""
    from pathlib import Path

    from kernelc.commands.inputs import buckets_of
    from kernelc.commands.places import named
    from kernelc.target import TargetSpec
    from kernelc.toolchain.identity import Memo
    from kernelc.toolset import choose
    from kernelc.tune.search import Search
    from kernelc.tune.space import Space
    from kernelrt.console.output import print_json
    from kernelrt.errors import InputError
    from kernelrt.model import ModelSpec
    from kernelrt.specfile import number

    if offline and device is not None:
        raise InputError(f"--offline: takes no device; leave it out, or leave out --device {device}")
    number("--budget", budget)
    buckets = buckets_of(quant, seq, batch, embedding)
    space = Space(ModelSpec.load(model), TargetSpec.load(target), buckets)
    groups = _chosen(space, families, offline)
    tools = choose(space.target, Memo())
    formats = quant if buckets.embedding == quant else f"{quant}-{buckets.embedding}"
    path = named("--out", out) or Path("build", "tuning", f"{space.target.name}-{space.model.name}-{formats}.json")
    with ExitStack() as stack:
        judge, subject = _judge(space, groups, tools, offline, device, stack)
        search = Search(space, tools, judge, path, _resumed(path, subject), budget, _told)
        states = search.run(groups)
    if json:
        print_json(_described(path, search.found, states))
    else:
        print("\n".join(_lines(path, search.found, states)))


def _told(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _chosen(space: "Space", families: str | None, offline: bool) -> "tuple[Group, ...]":
    """The groups to search. InputError for a family that has none."""
    from kernelrt.errors import InputError
    from kernelrt.specfile import close

    groups = space.groups()
    if offline:  # what the model is for: matrix and cache go by once
        groups = tuple(group for group in groups if all(spec.work.rows == 1 for spec in group.kernels))
    known = sorted({family for group in groups for family in group.families})
    wanted = known if families is None else families.split(",")
    for name in wanted:
        if name not in known:
            raise InputError(
                f"--families: nothing to search for {name!r}{close(name, known)} (there are {', '.join(known)})"
            )
    return tuple(group for group in groups if group.families & set(wanted))


def _judge(
    space: "Space",
    groups: "Sequence[Group]",
    tools: "Toolset",
    offline: bool,
    device: str | None,
    stack: ExitStack,
) -> "tuple[Judge, Subject]":
    """Who judges, and for what and by what. GpuError and ToolError where that cannot be."""
    from kernelc.errors import ToolError
    from kernelc.tune.result import Subject

    if offline:
        from kernelc.tune.modelled import Modelled

        judge = Modelled(space.target, tools)
        if tools.offline is None:
            raise ToolError("; ".join(tools.notes))
        by = f"none: machine code for {space.target.title}"
        return judge, Subject.of(space.model, space.target, space.buckets, "modelled", by, tools.offline.version)
    from kernelc.tune.measured import Measured, check_device
    from kernelrt.gpu.device import Device

    opened = stack.enter_context(Device.open(device))
    check_device(opened, [spec for group in groups for spec in group.kernels])
    info = opened.info
    return Measured(opened), Subject.of(space.model, space.target, space.buckets, "measured", info.name, info.driver)


def _resumed(path: "Path", subject: "Subject") -> "Tuning":
    """What the file holds, or the beginning. InputError where it is about something else."""
    from dataclasses import asdict

    from kernelc.tune.result import Tuning
    from kernelrt.errors import InputError

    if not path.exists():
        return Tuning(subject)
    found = Tuning.read(path)
    ours, theirs = asdict(subject), asdict(found.subject)
    for field in ours:
        if field != "model" and ours[field] != theirs[field]:
            raise InputError(
                f"{path}: holds a search with {field} {theirs[field]!r}, not {ours[field]!r}; "
                "name another file with --out, or remove it"
            )
    return found


def _described(path: "Path", found: "Tuning", states: "Sequence[State]") -> dict[str, object]:
    return {
        "file": str(path),
        "level": found.subject.level,
        "device": found.subject.device,
        "driver": found.subject.driver,
        "complete": found.complete,
        "batches": len(found.batches),
        "chosen": dict(found.chosen or {}),
        "groups": [
            {"name": s.group.name, "kernels": [k.name for k in s.group.kernels], "time": s.ratio, "chosen": s.best}
            for s in states
        ],
    }


def _lines(path: "Path", found: "Tuning", states: "Sequence[State]") -> list[str]:
    from kernelrt.console.output import table

    rows = [("kernels", "time", "sizes")]
    for s in states:
        sizes = " ".join(f"{key}={value}" for key, value in s.best.items()) or "the target's"
        rows.append((s.group.name, f"{s.ratio - 1:+.1%}", sizes))
    state = "complete" if found.complete else "the time is over: the same command goes on from here"
    by = f"{found.subject.device} ({found.subject.driver})"
    return [
        table(rows, right=(1,)),
        f"{found.subject.level}, {by}; {len(found.batches)} batches, {state}",
        f"written to {path}; `kernelc build --tuning {path}` builds with these sizes",
    ]
