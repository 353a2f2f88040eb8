"""Spellings of the MLIR that mlir-aie is built with, where that of IREE has moved on."""

import re

from kernelrt.npu.jit.cursor import Cursor

STRIDED_SLICE = r"vector\.(?:extract|insert)_strided_slice\b"


def strided_slice(cursor: Cursor) -> str | None:
    """`%a {offsets = [..], sizes = [..], strides = [..]}` without the braces, in that order; None where it has none."""
    operands = cursor.take(r"%[\w$.#-]+(?:\s*,\s*%[\w$.#-]+)?")
    attributes = cursor.group("{") if operands else None
    if operands is None or attributes is None:
        return None
    found = dict(re.findall(r"(offsets|sizes|strides)\s*=\s*(\[[^\]]*\])", attributes))
    return f" {operands.group()} " + ", ".join(f"{key} = {found[key]}" for key in sorted(found))
