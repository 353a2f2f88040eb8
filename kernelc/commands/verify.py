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
    evidence, npu = (Counter(k.evidence for k in kernels) for kernels in (loaded.kernels, loaded.npu_kernels))
    name, made_for = loaded.manifest.model["name"], loaded.manifest.target["name"]
    if json:
        found = {"bundle": str(bundle), "model": name, "target": made_for, "kernels": len(loaded.kernels)}
        found |= {"npu_kernels": len(loaded.npu_kernels), "bytes": size}
        print_json({**found, "evidence": dict(evidence), "npu_evidence": dict(npu)})
        return
    counted = f"{evidence.total()} kernels ({_levels(evidence)})"
    if npu:
        counted += f", {npu.total()} for the NPU ({_levels(npu)})"
    print(f"{bundle}: intact: {name} for {made_for}, {counted}, {size} bytes of code")


def _levels(evidence: Counter[str]) -> str:
    return ", ".join(f"{count} {level}" for level, count in sorted(evidence.items()))
