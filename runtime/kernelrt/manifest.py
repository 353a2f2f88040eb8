"""manifest.json: its fields, as dataclasses and back.

Canonical, sealed by its own digest; nothing of time, host or path.
"""

import re
from dataclasses import asdict, dataclass
from typing import cast

from kernelrt.abi import (
    ABI,
    NPU_ELEMENT_BYTES,
    Access,
    Binding,
    Constant,
    Dim,
    FileRef,
    KernelEntry,
    NpuArgument,
    NpuEntry,
    NpuWork,
    Work,
    insts_role,
)
from kernelrt.errors import AbiError, DuplicateError, ManifestError, OutsidePathError, SchemaError
from kernelrt.jsonio import JsonError, Node, parse, seal, unseal

SCHEMA = 2
MANIFEST = "manifest.json"
MAX_MANIFEST = 16 << 20  # bytes; a bundle of 27B has about 0.2 MiB

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")
# What a build can know. What the runtime measures on a device is kept elsewhere: a bundle is not changed by running it.
_EVIDENCE = ("validated", "compiled")
_ACCESS = ("r", "w", "rw")


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a bundle is for and what is in it. `model` and `target` are every field of the specs it was built from."""

    model: dict[str, object]
    target: dict[str, object]
    buckets: dict[str, object]
    tools: dict[str, object]
    kernels: tuple[KernelEntry, ...]
    npu_kernels: tuple[NpuEntry, ...] = ()

    def files(self) -> dict[str, FileRef]:
        """Every file of the bundle but the manifest, by its path."""
        return {file.path: file for kernel in (*self.kernels, *self.npu_kernels) for file in kernel.files.values()}


def encode(manifest: Manifest) -> bytes:
    """The bytes of manifest.json."""
    return seal({"schema": SCHEMA, "abi": ABI, **asdict(manifest)})


def decode(data: bytes, where: str = MANIFEST) -> Manifest:
    """The manifest in `data`.

    ManifestError (garbage, too large, altered, wrong fields), SchemaError, AbiError, OutsidePathError, DuplicateError.
    """
    if len(data) > MAX_MANIFEST:
        raise ManifestError(f"{where}: {len(data)} bytes, more than the {MAX_MANIFEST} that a manifest may have")
    try:
        return _decode(data, where)
    except JsonError as e:
        raise ManifestError(f"{e}; build the bundle again") from None


def _decode(data: bytes, where: str) -> Manifest:
    # These two come first: a manifest of another version may have any other shape.
    members = parse(data, where).members()
    for key, known, error in (("schema", SCHEMA, SchemaError), ("abi", ABI, AbiError)):
        if key not in members:
            raise ManifestError(f"{where}: the key {key!r} is missing; build the bundle again")
        found = members[key].integer()
        if found != known:
            raise error(f"{where}: {key} {found}, but this runtime knows {key} {known} only; build the bundle again")
    keys = ("schema", "abi", "digest", "model", "target", "buckets", "tools", "kernels", "npu_kernels")
    members = unseal(data, where).members(*keys)
    for key in ("model", "target"):
        named = members[key].members()
        named["name"].text() if "name" in named else members[key].fail("a name")
    kernels = tuple(_kernel(node) for node in members["kernels"].items())
    npu_kernels = tuple(_npu_kernel(node) for node in members["npu_kernels"].items())
    _refuse_duplicates((*kernels, *npu_kernels), where)
    return Manifest(
        model=members["model"].plain(),
        target=members["target"].plain(),
        buckets=members["buckets"].plain(),
        tools=members["tools"].plain(),
        kernels=kernels,
        npu_kernels=npu_kernels,
    )


def _kernel(node: Node) -> KernelEntry:
    f = node.members(
        *("name", "family", "params", "bindings", "constants", "workgroup", "subgroup", "shared_memory"),
        *("grid", "requires", "tags", "work", "files", "analysis", "evidence"),
    )
    grid = [_dim(dim) for dim in f["grid"].items(3)]
    files = {role: _file(file) for role, file in f["files"].members().items()}
    if not files:
        f["files"].fail("at least one file")
    return KernelEntry(
        name=_name(f["name"]),
        family=f["family"].text(),
        params=f["params"].scalars(),
        bindings=tuple(_binding(b) for b in f["bindings"].items()),
        constants=tuple(_constant(c) for c in f["constants"].items()),
        workgroup=f["workgroup"].integer(1),
        subgroup=f["subgroup"].integer(),
        shared_memory=f["shared_memory"].integer(),
        grid=(grid[0], grid[1], grid[2]),
        requires=tuple(r.text() for r in f["requires"].items()),
        tags=f["tags"].scalars(),
        work=_work(f["work"]),
        files=files,
        analysis=f["analysis"].plain(),
        evidence=f["evidence"].text(_EVIDENCE),
    )


def _npu_kernel(node: Node) -> NpuEntry:
    f = node.members(
        *("name", "family", "params", "arguments", "sequences", "tags", "work", "files", "analysis", "evidence")
    )
    evidence, sequences = f["evidence"].text(_EVIDENCE), tuple(_name(item) for item in f["sequences"].items())
    if not sequences or len(set(sequences)) < len(sequences):
        f["sequences"].fail("one sequence at least, and none twice")
    files = {role: _file(file) for role, file in f["files"].members().items()}
    roles = {"mlir"} if evidence == "validated" else {"mlir", "xclbin", *map(insts_role, sequences)}
    if files.keys() != roles:
        f["files"].fail(f"the files {', '.join(sorted(roles))} of a kernel that is {evidence}")
    return NpuEntry(
        name=_name(f["name"]),
        family=f["family"].text(),
        params=f["params"].scalars(),
        arguments=tuple(_npu_argument(argument) for argument in f["arguments"].items()),
        sequences=sequences,
        tags=f["tags"].scalars(),
        work=_npu_work(f["work"]),
        files=files,
        analysis=f["analysis"].plain(),
        evidence=evidence,
    )


def _npu_work(node: Node) -> NpuWork:
    f = node.members("macs", "moved", "tiles")
    return NpuWork(f["macs"].integer(), f["moved"].integer(), f["tiles"].integer())


def _npu_argument(node: Node) -> NpuArgument:
    f = node.members("name", "dtype", "shape", "access")
    shape = tuple(size.integer(1) for size in f["shape"].items())
    return NpuArgument(f["name"].text(), f["dtype"].text(tuple(NPU_ELEMENT_BYTES)), shape, _access(f["access"]))


def _name(node: Node) -> str:
    name = node.text()
    if not _NAME.fullmatch(name):
        node.fail("a name of letters, digits, '.', '_' and '-'")
    return name


def _binding(node: Node) -> Binding:
    f = node.members("name", "dtype", "shape", "access")
    shape = tuple(d.text() if isinstance(d.value, str) else d.integer() for d in f["shape"].items())
    return Binding(f["name"].text(), f["dtype"].text(), shape, _access(f["access"]))


def _access(node: Node) -> Access:
    return cast(Access, node.text(_ACCESS))


def _constant(node: Node) -> Constant:
    f = node.members("name", "value")
    return Constant(f["name"].text(), f["value"].integer())


def _dim(node: Node) -> Dim:
    f = node.members("count", "of", "per")
    return Dim(f["count"].integer(1), None if f["of"].value is None else f["of"].text(), f["per"].integer(1))


def _work(node: Node) -> Work:
    f = node.members("rows", "flops", "bytes_read", "bytes_written")
    return Work(f["rows"].integer(), f["flops"].integer(), f["bytes_read"].integer(), f["bytes_written"].integer())


def _file(node: Node) -> FileRef:
    f = node.members("path", "sha256", "size")
    path, sha256 = f["path"].text(), f["sha256"].text()
    if not all(_NAME.fullmatch(part) for part in path.split("/")):
        raise OutsidePathError(
            f"{node.where}.path: {path!r} is not a plain path inside the bundle; do not use this bundle"
        )
    if not _SHA256.fullmatch(sha256):
        f["sha256"].fail("64 hexadecimal digits")
    return FileRef(path, sha256, f["size"].integer())


def _refuse_duplicates(kernels: tuple[KernelEntry | NpuEntry, ...], where: str) -> None:
    names = [kernel.name for kernel in kernels]
    # Case-folded: on some file systems two such names are one file.
    paths = [file.path.casefold() for kernel in kernels for file in kernel.files.values()]
    for kind, values in (("kernels", names), ("files", [MANIFEST, *paths])):
        seen: set[str] = set()
        for value in values:
            if value in seen:
                raise DuplicateError(f"{where}: two {kind} named {value!r}; build the bundle again")
            seen.add(value)
