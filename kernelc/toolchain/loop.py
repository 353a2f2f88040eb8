"""The loop that a kernel spends its time in, counted in the machine code that RADV made for RDNA3."""

import re
from dataclasses import dataclass

_LABEL = re.compile(r"(BB\d+):")
_BRANCH = re.compile(r"\s+s_c?branch\w*\s+(BB\d+)")
_LOAD = re.compile(r"\s+(?:buffer|global|flat)_load_(?:d16_)?(?:hi_)?([a-z]*\d*)")
_LDS = re.compile(r"\s+ds_(?:load|store)\w*?_(?:2addr_(?:stride64_)?)?(b\d+|u8|i8|u16|i16)")
_VALU = re.compile(r"\s+v_")
# Transcendentals go through a unit of a quarter of the width.
_SLOW = re.compile(r"\s+v_(?:rcp|rsq|sqrt|exp|log|sin|cos)_")
_SLOW_CYCLES = 4
_BITS = {"u8": 8, "i8": 8, "u16": 16, "i16": 16}


@dataclass(frozen=True, slots=True)
class Counts:
    """Of a stretch of code, per wave, everything counted once: cycles of the vector ALU (one an instruction, four a
    transcendental), bytes that a lane loads from memory, bytes that it moves to or from LDS."""

    valu: int = 0
    loaded: int = 0
    lds: int = 0


@dataclass(frozen=True, slots=True)
class Split:
    """A kernel's loop (of all loops the one that loads most from memory, and of these the shortest), and the rest.

    `loop` is all zero where no loop loads anything.
    """

    loop: Counts
    rest: Counts


def split(assembly: str) -> Split:
    """The counts of a kernel in RADV's disassembly."""
    lines = assembly.splitlines()
    labels = {found[1]: i for i, line in enumerate(lines) if (found := _LABEL.match(line))}
    whole, best, span = _counts(lines), Counts(), len(lines)
    for end, line in enumerate(lines):
        found = _BRANCH.match(line)
        begin = labels.get(found[1], end) if found else end
        if begin >= end:
            continue
        counts = _counts(lines[begin:end])
        if (counts.loaded, -(end - begin)) > (best.loaded, -span) and counts.loaded:
            best, span = counts, end - begin
    rest = Counts(whole.valu - best.valu, whole.loaded - best.loaded, whole.lds - best.lds)
    return Split(best, rest)


def _counts(lines: list[str]) -> Counts:
    valu = sum(_SLOW_CYCLES if _SLOW.match(line) else 1 for line in lines if _VALU.match(line))
    loaded = sum(_nbytes(found[1]) for line in lines if (found := _LOAD.match(line)))
    lds = sum(_nbytes(found[1]) * (2 if "2addr" in found[0] else 1) for line in lines if (found := _LDS.match(line)))
    return Counts(valu, loaded, lds)


def _nbytes(element: str) -> int:
    """Of an element as an instruction's name ends: b128, u16; 0 for what is none."""
    bits = _BITS.get(element) or int(element[1:] if element[1:].isdigit() else 0)
    return bits // 8
