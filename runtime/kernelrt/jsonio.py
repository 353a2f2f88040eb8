"""JSON with one spelling, sealed by a digest, and reading it without trusting it."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import NoReturn, TypeAlias, Union, cast

Json: TypeAlias = Union[dict[str, "Json"], list["Json"], str, int, float, bool, None]  # noqa: UP007


class JsonError(ValueError):
    """Bytes that are no JSON, were altered, or hold something else than expected; readers turn it into their own."""


def canonical(value: object) -> bytes:
    """The one spelling of `value` as UTF-8 JSON: keys sorted, no NaN.

    ValueError or TypeError where JSON has no spelling for it.
    """
    return json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def canonical_lines(fields: Mapping[str, object]) -> bytes:
    """The same for an object that people look at: a line for each member, and for each item of a member that is a list.

    (With `indent`, Python's encoder takes twenty times as long.)
    """
    lines: list[bytes] = []
    for key, value in sorted(fields.items()):
        body = canonical(value)
        if isinstance(value, list | tuple) and value:
            items = cast("Sequence[object]", value)
            body = b"[\n" + b",\n".join(canonical(item) for item in items) + b"\n]"
        lines.append(canonical(key) + b":" + body)
    return b"{\n" + b",\n".join(lines) + b"\n}\n"


def seal(fields: Mapping[str, object]) -> bytes:
    """An object with these fields as canonical JSON, with the SHA-256 of all else in `digest`."""
    body = {key: value for key, value in fields.items() if key != "digest"}
    digest = hashlib.sha256(canonical(body)).hexdigest()
    return canonical_lines({**body, "digest": digest})


def parse(data: bytes, where: str) -> "Node":
    """The JSON value in `data`. JsonError where there is none."""
    try:
        return Node(json.loads(data.decode()), where)
    except (ValueError, RecursionError) as e:
        raise JsonError(f"{where}: not JSON ({e})") from None


def unseal(data: bytes, where: str) -> "Node":
    """The object in `data`, `digest` among its members. JsonError where it is not, to the bit, what `seal` writes."""
    root = parse(data, where)
    fields = root.plain()
    try:
        intact = seal(fields) == data
    except (ValueError, RecursionError) as e:  # NaN, or a lone surrogate: JSON to Python, and never written
        raise JsonError(f"{where}: no sealed JSON ({e})") from None
    if not intact:
        raise JsonError(f"{where}: altered since it was written (its digest differs)")
    return root


class Node:
    """A JSON value and its place; every reading method checks the type and raises JsonError with the place."""

    def __init__(self, value: Json, where: str) -> None:
        self.value = value
        self.where = where

    def fail(self, expected: str) -> NoReturn:
        found = "nothing" if self.value is None else f"{type(self.value).__name__} {str(self.value)[:40]!r}"
        raise JsonError(f"{self.where}: expected {expected}, found {found}")

    def members(self, *keys: str) -> "dict[str, Node]":
        """The members of an object; with `keys`, exactly those."""
        if not isinstance(self.value, dict):
            self.fail("an object")
        if keys:
            for key in keys:
                if key not in self.value:
                    raise JsonError(f"{self.where}: the key {key!r} is missing")
            for key in self.value:
                if key not in keys:
                    raise JsonError(f"{self.where}: unknown key {key!r}")
        return {key: Node(value, f"{self.where}.{key}") for key, value in self.value.items()}

    def plain(self) -> dict[str, object]:
        """An object of any content."""
        return {key: node.value for key, node in self.members().items()}

    def items(self, length: int | None = None) -> "list[Node]":
        if not isinstance(self.value, list):
            self.fail("a list")
        if length is not None and len(self.value) != length:
            self.fail(f"a list of {length}")
        return [Node(item, f"{self.where}[{i}]") for i, item in enumerate(self.value)]

    def integer(self, least: int = 0) -> int:
        if not isinstance(self.value, int) or isinstance(self.value, bool) or self.value < least:
            self.fail(f"an integer of at least {least}")
        return self.value

    def text(self, among: tuple[str, ...] = ()) -> str:
        if not isinstance(self.value, str) or not self.value:
            self.fail("a text")
        if among and self.value not in among:
            self.fail("one of " + ", ".join(among))
        return self.value

    def scalars(self) -> dict[str, int | float | str | bool]:
        """An object of numbers, texts and booleans."""
        found: dict[str, int | float | str | bool] = {}
        for key, node in self.members().items():
            if not isinstance(node.value, (bool, int, float, str)):
                node.fail("a number, a text or a boolean")
            found[key] = node.value
        return found
