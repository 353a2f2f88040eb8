"""How results are printed."""

import json
import sys


def print_json(value: object) -> None:
    """One JSON value on stdout."""
    print(as_json(value), end="")


def as_json(value: object) -> str:
    """One JSON value, for programs and readable; ASCII, so that it is right in every encoding."""
    return json.dumps(value, indent=2, ensure_ascii=True) + "\n"


def table(rows: list[tuple[str, ...]], right: tuple[int, ...] = ()) -> str:
    """Columns side by side; those of the given numbers flush right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))] if rows else []
    lines = [
        "  ".join(
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    return "\n".join(line.rstrip() for line in lines)


def write_bytes(data: bytes) -> None:
    """Raw bytes on stdout."""
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
