"""A compiled kernel as an entry of the bundle's manifest."""

import hashlib
from collections.abc import Mapping

from kernelc.kernel import KernelSpec
from kernelrt.abi import FileRef, KernelEntry
from kernelrt.jsonio import Node, parse

SPIRV = "kernel.spv"
META = "meta.json"
SOURCE = "source.comp"


def entry_of(spec: KernelSpec, files: Mapping[str, bytes]) -> tuple[KernelEntry, dict[str, bytes]]:
    """The manifest's entry of a kernel, and its files by their path in the bundle."""
    spirv = files[SPIRV]
    meta = Node(parse(files[META], META), META).members("analysis", "evidence", "shared_memory")
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
        shared_memory=meta["shared_memory"].integer(),
        analysis=meta["analysis"].plain(),
        evidence=meta["evidence"].text(),
    )
    return entry, {path: spirv}
