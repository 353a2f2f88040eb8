"""`kernelc cache stats|gc|verify`"""

from dataclasses import asdict
from typing import Annotated

import typer

from kernelc.commands import options as o

cache = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Look after the store of compiled kernels.")


@cache.command()
def stats(store: o.StoreAt = None, json: o.Json = False) -> None:
    """Entries, their size, and what is in quarantine."""
    from kernelc.commands.inputs import open_store
    from kernelc.commands.output import print_json

    opened = open_store(store)
    found = opened.stats()
    if json:
        print_json({"store": str(opened.root), **asdict(found)})
        return
    print(f"{opened.root}: {found.entries} entries, {found.bytes} bytes")
    print(f"{found.quarantined} damaged entries in quarantine, {found.temporary} temporary folders")


@cache.command()
def gc(
    days: Annotated[float, typer.Option(metavar="N", min=0, help="Keep entries used within N days.")] = 30,
    store: o.StoreAt = None,
    json: o.Json = False,
) -> None:
    """Remove old entries, the quarantine, and what dead builds left."""
    from kernelc.commands.inputs import open_store
    from kernelc.commands.output import print_json

    opened = open_store(store)
    entries, size = opened.gc(days)
    if json:
        print_json({"store": str(opened.root), "removed": entries, "bytes": size})
        return
    print(f"{opened.root}: removed {entries} entries, {size} bytes")


@cache.command()
def verify(store: o.StoreAt = None, json: o.Json = False) -> None:
    """Check every byte; what fails goes to quarantine, and the next build makes it again. Exit code 5 if any failed."""
    import sys

    from kernelc.commands.inputs import open_store
    from kernelc.commands.output import print_json
    from kernelc.errors import Exit

    opened = open_store(store)
    with opened.in_use():
        total, damaged = opened.verify()
    for key, reason in damaged.items():
        print(f"error: {opened.root}: entry {key}: {reason}; moved to quarantine", file=sys.stderr)
    if json:
        print_json({"store": str(opened.root), "entries": total, "damaged": damaged})
    else:
        print(f"{opened.root}: {total} entries, {len(damaged)} damaged")
    if damaged:
        raise typer.Exit(Exit.STORE)
