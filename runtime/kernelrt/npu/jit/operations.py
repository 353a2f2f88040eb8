"""Operations of the aie dialect in a core's text become calls of declared functions."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from kernelrt.npu.design import Core
from kernelrt.npu.errors import DesignError
from kernelrt.npu.jit.cursor import Cursor, Unexpected
from kernelrt.npu.jit.generic import custom_spelling
from kernelrt.npu.jit.older import STRIDED_SLICE, strided_slice
from kernelrt.npu.jit.site import CallKind, CallSite
from kernelrt.npu.place import Place

SITE = "kernelrt_site_"
TOKEN = re.compile(
    r'//[^\n]*|"(?:\\.|[^"\\\n])*"|%[\w$.-]+|(?<![\w.$!#@%^])aie\.[a-z][\w.]*'
    rf"|{STRIDED_SLICE}"
    r'|!aie\.objectfifosubview\b|\bmemref(?=<)|\bloc\((?=#|"|unknown\))'
)
# A core sees one memory, whatever number a memref's type gives it.
_MEMORY_SPACE = re.compile(r",\s*\d+(?:\s*:\s*\w+)?\s*>$")
VALUE = r"%[\w$.-]+(?:#\d+)?"
_SYMBOL = r'@(?:[\w$.]+|"[^"]*")'
_LOCK_ACTIONS: dict[str, CallKind] = {
    "Acquire": "lock_acquire_eq",
    "AcquireGreaterEqual": "lock_acquire_ge",
    "Release": "lock_release",
    "0": "lock_acquire_eq",
    "1": "lock_release",
    "2": "lock_acquire_ge",
}
_PORTS: dict[str, Literal["Produce", "Consume"]] = {
    "Produce": "Produce",
    "Consume": "Consume",
    "0": "Produce",
    "1": "Consume",
}


@dataclass(frozen=True, slots=True)
class Site:
    """A call: what it means, the types of its operands and result ("" for none)."""

    meaning: CallSite
    operands: tuple[str, ...]
    result: str

    def declaration(self, number: int) -> str:
        return (
            f"func.func private @{SITE}{number}({', '.join(self.operands)}) -> ({self.result})"
            " attributes {hal.import.static}"
        )


class Operations:
    """`sites` are the calls so far, in the order of their numbers."""

    def __init__(self, core: Core, renamed: Mapping[str, str], file: str) -> None:
        self.sites: list[Site] = []
        self._core = core
        self._renamed = renamed
        self._file = file
        self._operations: dict[str, Callable[[Cursor, Place], str]] = {
            "aie.use_lock": self._use_lock,
            "aie.objectfifo.acquire": self._acquire,
            "aie.objectfifo.release": self._release,
            "aie.objectfifo.subview.access": self._access,
            "aie.put_cascade": self._put_cascade,
            "aie.get_cascade": self._get_cascade,
            "aie.put_stream": self._put_stream,
            "aie.get_stream": self._get_stream,
            "aie.event": self._event,
            "aie.debug": self._debug,
            "aie.end": self._end,
        }

    def rewritten(self, name: str, generic: bool, cursor: Cursor, place: Place) -> str | None:
        """What to put in place of a token that TOKEN found and of what belongs to it, if anything. Moves the cursor,
        which stands behind the token, behind all of that. Raises Unexpected where it is not written as it should be."""
        if name.startswith("%"):
            return self._renamed.get(name)
        if name == "!aie.objectfifosubview":  # carried as the number that fifo_acquire returned
            cursor.group("<")
            return "index"
        if re.fullmatch(STRIDED_SLICE, name):
            operands = strided_slice(cursor)
            return None if operands is None else name + operands
        if name == "memref":
            inner = cursor.group("<") or ""
            return _MEMORY_SPACE.sub(">", f"memref<{inner}>")
        if name == "loc(":  # places are this module's business
            cursor.at -= 1
            cursor.group("(")
            return ""
        if not name.startswith("aie.") or (generic and not cursor.take(r"(?=\()")):
            return None
        operation = self._operations.get(name)
        if operation is None:
            raise DesignError.at(
                self._file, place, f"{name} has no place in a core; known are {', '.join(self._operations)}"
            )
        if generic:
            start = cursor.at
            spelled = Cursor(custom_spelling(name, cursor), 0)
            try:
                return operation(spelled, place)
            except Unexpected as error:
                raise Unexpected(start, error.expected) from None
        new = operation(cursor, place)
        cursor.group("{")  # attributes that do not change what it does
        return new

    def _call(self, site: Site, operands: str = "") -> str:
        self.sites.append(site)
        return f"func.call @{SITE}{len(self.sites) - 1}({operands}) : ({', '.join(site.operands)}) -> ({site.result})"

    def _use_lock(self, cursor: Cursor, place: Place) -> str:
        cursor.need(r"\(", "`(`")
        lock = cursor.need(VALUE, "a lock").group()
        kind, name = self._core.names.get(lock, ("", ""))
        if kind != "lock":
            raise DesignError.at(self._file, place, f"aie.use_lock: {lock} is no lock of the device")
        cursor.need(",", "`,`")
        word = cursor.need(r'"?(\w+)"?', "Acquire, AcquireGreaterEqual or Release")
        if word.group(1) not in _LOCK_ACTIONS:
            raise Unexpected(word.start(), "Acquire, AcquireGreaterEqual or Release")
        meaning = CallSite(_LOCK_ACTIONS[word.group(1)], name, "", 1, place)
        dynamic = ""
        if cursor.take(","):
            value = cursor.need(rf"-?\d+|{VALUE}", "a value").group()
            if value.startswith("%"):
                dynamic, meaning = value, replace(meaning, value=0)
            else:
                meaning = replace(meaning, value=int(value))
            if cursor.take(","):
                cursor.need(r"\w+", "Blocking or NonBlocking")
        cursor.need(r"\)", "`)`")
        return self._call(Site(meaning, ("i32",) if dynamic else (), ""), dynamic)

    def _ports(self, cursor: Cursor, kind: CallKind, place: Place) -> CallSite:
        cursor.group("{")
        name = cursor.need(_SYMBOL, "the name of an objectfifo").group()[1:].strip('"')
        cursor.need(r"\(", "`(`")
        port = cursor.need("Produce|Consume|0|1", "Produce or Consume").group()
        cursor.need(",", "`,`")
        count = int(cursor.need(r"\d+", "how many objects").group())
        cursor.need(r"\)", "`)`")
        return CallSite(kind, name, _PORTS[port], count, place)

    def _acquire(self, cursor: Cursor, place: Place) -> str:
        meaning = self._ports(cursor, "fifo_acquire", place)
        cursor.need(":", "`:` and the type")
        cursor.type()
        return self._call(Site(meaning, (), "index"))

    def _release(self, cursor: Cursor, place: Place) -> str:
        return self._call(Site(self._ports(cursor, "fifo_release", place), (), ""))

    def _access(self, cursor: Cursor, place: Place) -> str:
        subview = cursor.need(VALUE, "a subview").group()
        cursor.need(r"\[", "`[`")
        index = int(cursor.need(r"\d+", "a constant index").group())
        cursor.need(r"\]", "`]`")
        cursor.group("{")
        cursor.need(":", "`:` and the types")
        cursor.type()
        cursor.need("->", "`->` and the type of an object")
        return self._call(
            Site(CallSite("fifo_access", "", "", index, place), ("index",), _plain(cursor.type())), subview
        )

    def _put_cascade(self, cursor: Cursor, place: Place) -> str:
        cursor.need(r"\(", "`(`")
        value, type_ = _typed(cursor, "a value")
        cursor.need(r"\)", "`)`")
        return self._call(Site(CallSite("cascade_put", "", "", 0, place), (type_,), ""), value)

    def _get_cascade(self, cursor: Cursor, place: Place) -> str:
        cursor.need(r"\(\s*\)", "`()`")
        cursor.group("{")
        cursor.need(":", "`:` and a type")
        return self._call(Site(CallSite("cascade_get", "", "", 0, place), (), cursor.type()))

    def _put_stream(self, cursor: Cursor, place: Place) -> str:
        cursor.need(r"\(", "`(`")
        channel, channel_type = _typed(cursor, "a channel")
        cursor.need(",", "`,`")
        value, type_ = _typed(cursor, "a value")
        cursor.need(r"\)", "`)`")
        site = Site(CallSite("stream_put", "", "", 0, place), (channel_type, type_), "")
        return self._call(site, f"{channel}, {value}")

    def _get_stream(self, cursor: Cursor, place: Place) -> str:
        cursor.need(r"\(", "`(`")
        channel, channel_type = _typed(cursor, "a channel")
        cursor.need(r"\)", "`)`")
        cursor.group("{")
        cursor.need(":", "`:` and a type")
        return self._call(Site(CallSite("stream_get", "", "", 0, place), (channel_type,), cursor.type()), channel)

    def _event(self, cursor: Cursor, place: Place) -> str:
        cursor.need(r"\(", "`(`")
        number = int(cursor.need(r"\d+", "the number of the event").group())
        cursor.need(r"\)", "`)`")
        return self._call(Site(CallSite("event", "", "", number, place), (), ""))

    def _debug(self, cursor: Cursor, place: Place) -> str:
        cursor.need(r"\(", "`(`")
        value, type_ = _typed(cursor, "a value")
        cursor.need(r"\)", "`)`")
        return self._call(Site(CallSite("event", "debug", "", 0, place), (type_,), ""), value)

    def _end(self, cursor: Cursor, place: Place) -> str:
        return "func.return"


def _typed(cursor: Cursor, what: str) -> tuple[str, str]:
    """`%value : type`."""
    value = cursor.need(VALUE, what).group()
    cursor.need(":", "`:` and a type")
    return value, cursor.type()


def _plain(type_: str) -> str:
    return _MEMORY_SPACE.sub(">", type_) if type_.startswith("memref") else type_
