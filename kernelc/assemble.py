"""A compiled kernel as an entry of the bundle's manifest."""

import hashlib
from collections.abc import Mapping

from kernelc.errors import StoreError
from kernelc.kernel import KernelSpec
from kernelrt.abi import FileRef, KernelEntry
from kernelrt.jsonio import JsonError, parse

SPIRV = "kernel.spv"
META = "meta.json"
SOURCE = "source.comp"


def entry_of(spec: KernelSpec, files: Mapping[str, bytes]) -> tuple[KernelEntry, dict[str, bytes]]:
    """The manifest's entry of a kernel, and its files by their path in the bundle.

    Raises StoreError where the files are intact and not those that a build makes.
    """
    try:
        spirv = files[SPIRV]
        meta = parse(files[META], META).members("analysis", "evidence", "shared_memory")
        shared_memory, evidence = meta["shared_memory"].integer(), meta["evidence"].text()
        analysis = meta["analysis"].plain()
    except (KeyError, JsonError) as e:
        advice = "empty the store with `kernelc cache gc --days 0` and build again"
        raise StoreError(f"store entry of {spec.name}: no build writes this ({e}); {advice}") from None
    path = f"kernels/{spec.name}.spv"
    entry = KernelEntry(
        name=spec.name,
        family=spec.family,
        params=dict(spec.params),
        bindings=spec.bindings,
        constants=spec.constants,
        workgroup=spec.workgroup,
        subgroup=spec.subgroup,
        grid=spec.grid,
        requires=tuple(sorted(spec.requires)),
        tags=dict(spec.tags),
        work=spec.work,
        files={"spirv": FileRef(path, hashlib.sha256(spirv).hexdigest(), len(spirv))},
        shared_memory=shared_memory,
        analysis=analysis,
        evidence=evidence,
    )
    return entry, {path: spirv}
