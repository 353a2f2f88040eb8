"""What a core's text does with fifos, locks and functions, found without parsing it: a light scan of its tokens."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

_FIFO = re.compile(
    r"(?:(?P<result>%[\w$.-]+)\s*=\s*)?aie\.objectfifo\.(?P<kind>acquire|release)\b\s*(?:\{[^{}]*\}\s*)?"
    r"@(?P<name>[\w$.-]+)\s*\(\s*(?P<port>\w+)\s*,\s*(?P<count>-?\d+)\s*\)"
    r"(?:\s*:\s*!aie\.objectfifosubview<(?P<type>[^\n]*?)>\s*(?=\n|$|\s[%a-z]))?"
)
_ACCESS = re.compile(
    r"aie\.objectfifo\.subview\.access\s+(?P<subview>%[\w$.-]+)\s*\[\s*(?P<index>\d+)\s*\][^:\n]*:"
    r"\s*!aie\.objectfifosubview<(?P<type>[^\n]*?)>\s*->\s*(?P<result>memref<[^\n>]*(?:<[^\n>]*>)?[^\n>]*>)"
)
_LOCK = re.compile(r"aie\.use_lock\s*\(\s*%(?P<lock>[\w$.-]+)\s*,\s*\"?(?P<action>\w*)\"?\s*(?:,\s*(?P<value>-?\d+))?")
_CALL = re.compile(r"\b(?:func\.)?call\s*@(?P<name>[\w$.-]+)")
_END = re.compile(r"\b(?:aie\.end|cf\.br|cf\.cond_br|cf\.switch)\b")  # an endless core ends in a branch
_BRANCH = re.compile(r"\b(?:scf\.(?:if|while|index_switch)|affine\.if|cf\.\w+)\b")
_USED = re.compile(r"%([\w$.-]+)(?:#\d+)?")
_DEFINED = re.compile(r"((?:%[\w$.-]+(?::\d+)?\s*,\s*)*%[\w$.-]+(?::\d+)?)\s*(?:=(?!=)|:)")
_IN_PARENTHESES = re.compile(
    r"(?:\^[\w$.-]+\s*)?\(((?:\s*%[\w$.-]+\s*(?::[^,()]*(?:\([^()]*\))?[^,()]*)?,?)+)\)\s*(?:=|:|in\b)"
)

Port = Literal["Produce", "Consume"]


@dataclass(frozen=True, slots=True)
class FifoUse:
    """An acquire or release of `count` objects; `type` is the element that an acquire says, `subview` its result."""

    kind: Literal["acquire", "release"]
    fifo: str
    port: str
    count: int
    type: str | None
    subview: str | None
    offset: int


@dataclass(frozen=True, slots=True)
class Access:
    """Object `index` of a subview."""

    subview: str
    index: int
    type: str
    result: str
    offset: int


@dataclass(frozen=True, slots=True)
class CoreLock:
    """A use_lock; `value` is None where it is computed."""

    lock: str
    action: str
    value: int | None
    offset: int


@dataclass(frozen=True, slots=True)
class CoreScan:
    """Offsets are of the file. `straight`: no branch decides what runs, and no function does anything. `defined` may
    have a name too many."""

    uses: tuple[FifoUse, ...]
    accesses: tuple[Access, ...]
    locks: tuple[CoreLock, ...]
    calls: tuple[tuple[str, int], ...]
    names: tuple[tuple[str, int], ...]
    defined: frozenset[str]
    ends: bool
    straight: bool


def scan(plain: str, base: int) -> CoreScan:
    """`plain`: the body with comments blanked out; `base`: where it begins in the file."""
    return CoreScan(
        tuple(_uses(plain, base)),
        tuple(
            Access(match["subview"], int(match["index"]), match["type"], match["result"], base + match.start())
            for match in _ACCESS.finditer(plain)
        ),
        tuple(
            CoreLock(
                match["lock"], match["action"], int(match["value"]) if match["value"] else None, base + match.start()
            )
            for match in _LOCK.finditer(plain)
        ),
        tuple((match["name"], base + match.start()) for match in _CALL.finditer(plain)),
        tuple((match.group(1), base + match.start()) for match in _USED.finditer(plain)),
        frozenset(_definitions(plain)),
        _END.search(plain) is not None,
        _BRANCH.search(plain) is None and _CALL.search(plain) is None,
    )


def _uses(plain: str, base: int) -> Iterator[FifoUse]:
    for match in _FIFO.finditer(plain):
        kind: Literal["acquire", "release"] = "acquire" if match["kind"] == "acquire" else "release"
        yield FifoUse(
            kind,
            match["name"],
            match["port"],
            int(match["count"]),
            match["type"],
            match["result"],
            base + match.start("kind") - len("aie.objectfifo."),
        )


def _definitions(plain: str) -> Iterator[str]:
    for pattern in (_DEFINED, _IN_PARENTHESES):
        for match in pattern.finditer(plain):
            for name in _USED.finditer(match.group(1)):
                yield name.group(1)
