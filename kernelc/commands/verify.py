"""`kernelc verify`"""

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from kernelc.commands import options as o


def verify(
    # readable: else typer refuses what it may not read in words of its own.
    bundle: Annotated[
        Path, typer.Argument(metavar="BUNDLE", readable=False, help="A bundle's folder, or a .kcb file.")
    ],
    model: Annotated[str | None, typer.Option(metavar="NAME", help="The model that it must be for.")] = None,
    target: Annotated[str | None, typer.Option(metavar="NAME", help="The target that it must be for.")] = None,
    json: o.Json = False,
) -> None:
    """Check every byte of a bundle."""
    from kernelrt.bundle import load
    from kernelrt.console.output import print_json

    loaded = load(bundle, model, target)
    size = sum(len(data) for data in loaded.contents.values())
    evidence = Counter(kernel.evidence for kernel in loaded.kernels)
    name, made_for = loaded.manifest.model["name"], loaded.manifest.target["name"]
    if json:
        found = {"bundle": str(bundle), "model": name, "target": made_for, "kernels": len(loaded.kernels)}
        print_json({**found, "bytes": size, "evidence": dict(evidence)})
        return
    levels = ", ".join(f"{count} {level}" for level, count in sorted(evidence.items()))
    print(f"{bundle}: intact: {name} for {made_for}, {len(loaded.kernels)} kernels ({levels}), {size} bytes of code")
