"""MLIR's generic spelling of the aie operations, put back into the one that mlir-aie prints."""

import re

from kernelrt.npu.jit.cursor import Cursor, Unexpected


def custom_spelling(name: str, cursor: Cursor) -> str:
    """What follows the operation's name in the usual spelling. Moves the cursor, which stands behind the quoted name,
    behind the whole operation."""
    start = cursor.at
    operands = [operand.strip() for operand in (cursor.group("(") or "").split(",") if operand.strip()]
    properties = cursor.group("<") or ""
    attributes = properties + (cursor.group("{") or "")
    cursor.need(":", "`:` and the types")
    types = _types(cursor)
    cursor.need("->", "`->`")
    results = _types(cursor) if cursor.take(r"(?=\()") else [cursor.type()]

    def attribute(key: str, default: str | None = None) -> str:
        found = re.search(rf'\b{key}\s*=\s*(@"[^"]*"|@[\w$.]+|-?\d+|#?[\w.]+<\w+>)', attributes)
        if found:
            return re.sub(r"^#[\w.]+<(\w+)>$", r"\1", found.group(1))
        if default is None:
            raise Unexpected(start, f"an attribute {key}")
        return default

    try:
        match name:
            case "aie.use_lock":
                value = operands[1] if len(operands) > 1 else attribute("value", "1")
                return f"({operands[0]}, {attribute('action')}, {value})"
            case "aie.objectfifo.acquire":
                return f"{attribute('objFifo_name')} ({attribute('port')}, {attribute('size')}) : {results[0]}"
            case "aie.objectfifo.release":
                return f"{attribute('objFifo_name')} ({attribute('port')}, {attribute('size')})"
            case "aie.objectfifo.subview.access":
                return f"{operands[0]}[{attribute('index')}] : {types[0]} -> {results[0]}"
            case "aie.get_cascade":
                return f"() : {results[0]}"
            case "aie.get_stream":
                return f"({operands[0]} : {types[0]}) : {results[0]}"
            case "aie.put_stream":
                return f"({operands[0]} : {types[0]}, {operands[1]} : {types[1]})"
            case "aie.put_cascade" | "aie.debug":
                return f"({operands[0]} : {types[0]})"
            case "aie.event":
                return f"({attribute('val')})"
            case _:
                return ""
    except IndexError:
        raise Unexpected(start, "more operands, types or results") from None


def _types(cursor: Cursor) -> list[str]:
    cursor.need(r"\(", "`(`")
    types: list[str] = []
    while not cursor.take(r"\)"):
        types.append(cursor.type())
        cursor.take(",")
    return types
