"""What core bodies may say: operations on types that mlir-aie's passes lower for AIE2 without external functions.

Two kinds of evidence: "seen", by running these passes (`convert-vector-to-aievec` for aie2 and LLVM IR, and what
follows it; mlir-aie main of March 2026), and "implied", which differs from something seen in a way that the passes do
not look at.

NOTES: what is missing is missing for a reason. In f32: max, min, negation, comparison with selection, fma and
division, which fail or become calls; in vectors of 512 bits: shifts to the right and `and`. Floating-point scalars
are left to software and are not used at all.
"""

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Literal

Evidence = Literal["seen", "implied"]

_F32, _I32, _BF16 = "16xf32", "16xi32", "16xbf16"
# Operation -> the vector types in its line, none twice, in order -> how it is known.
VECTORS: Mapping[str, Mapping[tuple[str, ...], Evidence]] = MappingProxyType(
    {
        "arith.constant": {(_F32,): "seen", (_I32,): "seen", ("32xi32",): "implied", ("4x8xi32",): "implied"},
        "arith.addf": {(_F32,): "seen"},
        "arith.subf": {(_F32,): "seen"},
        "arith.mulf": {(_F32,): "seen"},  # emulated by about six products of bf16; one where both factors are extended
        "arith.maximumf": {(_BF16,): "seen"},
        "arith.addi": {(_I32,): "seen"},
        "arith.maxsi": {(_I32,): "seen"},
        "arith.shli": {(_I32,): "seen"},
        "arith.truncf": {(_F32, _BF16): "seen"},
        "arith.extf": {(_BF16, _F32): "seen"},
        "arith.trunci": {("32xi32", "32xi8"): "seen"},
        "arith.extsi": {("4x8xi8", "4x8xi32"): "seen", ("8x8xi8", "8x8xi32"): "seen"},
        "vector.bitcast": {(_I32, _F32): "seen", (_F32, _I32): "seen"},
        "vector.broadcast": {(_I32,): "implied"},  # as of f32 and bf16
        "vector.reduction": {(_BF16,): "seen"},
        "vector.transpose": {("4x4xf32",): "seen", ("8x4xbf16", "4x8xbf16"): "seen"},
        "vector.shape_cast": {
            ("32xbf16", "4x8xbf16"): "seen",
            ("32xbf16", "8x4xbf16"): "seen",
            (_F32, "4x4xf32"): "implied",
            ("4x4xf32", _F32): "implied",
            ("32xi8", "4x8xi8"): "implied",
            ("64xi8", "8x8xi8"): "implied",
            ("4x8xi32", "32xi32"): "implied",
            ("32xi32", "4x8xi32"): "implied",
        },
        "vector.contract": {
            ("4x8xbf16", "4x4xf32"): "seen",  # right side transposed
            ("4x8xbf16", "8x4xbf16", "4x4xf32"): "seen",
            ("4x8xi32", "8x8xi32"): "seen",  # of bytes, extended; either side
        },
        "vector.transfer_read": {(t,): "seen" for t in (_F32, _I32, _BF16, "32xbf16", "32xi32", "32xi8", "64xi8")},
        "vector.transfer_write": {(t,): "seen" for t in (_F32, _I32, _BF16, "32xi32", "32xi8")},
        # Structure: the lines that carry vectors through loops and branches.
        "scf.for": {("4x4xf32",): "seen", (_I32,): "implied", ("4x8xi32",): "seen"},
        "scf.if": {("4x4xf32",): "implied", (_F32,): "implied"},
        "scf.yield": {("4x4xf32",): "seen", (_I32,): "implied", ("4x8xi32",): "seen", (_F32,): "implied"},
    }
)
# Operation -> types of its line's scalars. These are plain LLVM, which every back end has.
SCALARS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "arith.constant": frozenset(["index", "i32", "i16", "i8", "f32", "bf16"]),
        "arith.addi": frozenset(["index"]),
        "arith.subi": frozenset(["index", "i32"]),
        "arith.muli": frozenset(["index"]),
        "arith.andi": frozenset(["i1"]),
        "arith.cmpi": frozenset(["index", "i32", "i16"]),
        "arith.select": frozenset(["index", "i32"]),
        "arith.index_cast": frozenset(["i32", "index"]),
        "arith.bitcast": frozenset(["bf16", "i16"]),
        "memref.load": frozenset(["i32"]),
        "memref.store": frozenset(["i32"]),
        "scf.for": frozenset(["index", "i32", ""]),
        "scf.if": frozenset(["", "index"]),
        "scf.yield": frozenset(["index", "i32"]),
        "aie.use_lock": frozenset([""]),
        "aie.objectfifo.acquire": frozenset([""]),
        "aie.objectfifo.subview.access": frozenset([""]),
        "aie.objectfifo.release": frozenset([""]),
        "aie.end": frozenset([""]),
    }
)

_CORE = re.compile(r"= aie\.core\(.*?\n    \}", re.DOTALL)
_OPERATION = re.compile(r"(?:=\s*|^\s*)((?:aie|arith|math|vector|memref|scf|affine|func)\.[\w.]+)", re.MULTILINE)
_VECTOR = re.compile(r"vector<([^>]+)>")
_MEMREF = re.compile(r"memref<([^>]+)>")


def refused(text: str) -> tuple[str, ...]:
    """Lines of cores in a design that are not known to lower, none twice. One operation a line is expected."""
    return tuple(dict.fromkeys(line for core in _CORE.findall(text) for line in _refused(core)))


def _refused(core: str) -> Iterator[str]:
    for line in core.splitlines()[1:]:
        code = line.split("//")[0]
        found = _OPERATION.findall(code)
        if len(found) > 1:
            yield code.strip()
        for operation in found[:1]:
            if not _known(operation, code):
                yield code.strip()


def _known(operation: str, code: str) -> bool:
    if operation.startswith("aie."):
        return operation in SCALARS
    vectors = tuple(dict.fromkeys(_VECTOR.findall(code)))
    if vectors:
        return vectors in VECTORS.get(operation, {})
    plain = code.split(" : ")[-1] if " : " in code else code.rpartition(" -> (")[2] if " -> (" in code else ""
    types = set(re.findall(r"\b(index|i\d+|f32|bf16)\b", _MEMREF.sub(lambda m: m.group(1).rpartition("x")[2], plain)))
    return (types or {""}) <= SCALARS.get(operation, frozenset())
