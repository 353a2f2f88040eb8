"""A kernel for the NPU as an entry of the bundle's manifest."""

import hashlib
from collections.abc import Mapping

from kernelc.errors import StoreError
from kernelc.npu.spec import NpuKernelSpec
from kernelrt.abi import FileRef, NpuArgument, NpuEntry, NpuWork, insts_role
from kernelrt.jsonio import JsonError, parse

DESIGN = "design.mlir"
XCLBIN = "kernel.xclbin"
META = "meta.json"


def insts_file(sequence: str) -> str:
    """The name of a sequence's instructions in a store entry."""
    return f"{sequence}.insts"


def npu_entry_of(spec: NpuKernelSpec, files: Mapping[str, bytes]) -> tuple[NpuEntry, dict[str, bytes]]:
    """The manifest's entry of a kernel, and its files by their path in the bundle.

    Raises StoreError where the files are intact and not those that a build makes.
    """
    try:
        meta = parse(files[META], META).members("analysis", "evidence")
        evidence, analysis = meta["evidence"].text(("validated", "compiled")), meta["analysis"].plain()
        kept = {"mlir": (f"{spec.name}.mlir", files[DESIGN])}
        if evidence == "compiled":
            kept["xclbin"] = (f"{spec.name}.xclbin", files[XCLBIN])
            for name in spec.sequences:
                kept[insts_role(name)] = (f"{spec.name}.{name}.bin", files[insts_file(name)])
    except (KeyError, JsonError) as e:
        advice = "empty the store with `kernelc cache gc --days 0` and build again"
        raise StoreError(f"store entry of {spec.name}: no build writes this ({e}); {advice}") from None
    sealed = {
        role: FileRef(f"npu/{name}", hashlib.sha256(data).hexdigest(), len(data)) for role, (name, data) in kept.items()
    }
    entry = NpuEntry(
        name=spec.name,
        family=spec.family,
        params={name: value for name, value in spec.params if isinstance(value, (bool, int, float, str))},
        arguments=tuple(NpuArgument(a.name, a.dtype, a.shape, a.access) for a in spec.arguments),
        sequences=spec.sequences,
        tags=dict(spec.tags),
        work=NpuWork(spec.work.macs, spec.work.moved, spec.work.tiles),
        files=sealed,
        analysis=analysis,
        evidence=evidence,
    )
    return entry, {sealed[role].path: data for role, (_, data) in kept.items()}
