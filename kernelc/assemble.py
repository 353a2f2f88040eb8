"""A compiled kernel as an entry of the bundle's manifest."""

import hashlib
from collections.abc import Mapping
from typing import cast

from kernelc.kernel import KernelSpec
from kernelrt.abi import Binding, Constant, Dim, FileRef, KernelEntry, Work
from kernelrt.jsonio import Node, parse

SPIRV = "kernel.spv"
META = "meta.json"
SOURCE = "source.comp"


def entry_of(spec: KernelSpec, files: Mapping[str, bytes]) -> tuple[KernelEntry, dict[str, bytes]]:
    """The manifest's entry of a kernel, and its files by their path in the bundle."""
    spirv = files[SPIRV]
    meta = Node(parse(files[META], META), META).members("analysis", "evidence")
    path = f"kernels/{spec.name}.spv"
    entry = KernelEntry(
        name=spec.name,
        family=spec.family,
        params=dict(spec.params),
        bindings=tuple(Binding(b.name, b.dtype, b.shape, b.access) for b in spec.bindings),
        constants=tuple(Constant(c.name, c.value) for c in spec.constants),
        workgroup=spec.workgroup,
        subgroup=spec.subgroup,
        grid=cast("tuple[Dim, Dim, Dim]", tuple(Dim(d.count, d.of, d.per) for d in spec.grid)),
        requires=tuple(sorted(spec.requires)),
        tags=dict(spec.tags),
        work=Work(spec.work.rows, spec.work.flops, spec.work.bytes_read, spec.work.bytes_written),
        files={"spirv": FileRef(path, hashlib.sha256(spirv).hexdigest(), len(spirv))},
        analysis=meta["analysis"].plain(),
        evidence=meta["evidence"].text(),
    )
    return entry, {path: spirv}
