"""`kernelc cache stats|gc|verify`"""

from dataclasses import asdict
from typing import Annotated

import typer

from kernelc.commands import options as o

cache = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Look after the store of compiled kernels.")


@cache.command()
def stats(store: o.StoreAt = None, json: o.Json = False) -> None:
    """Entries, their size, and what is in quarantine."""
    from kernelc.store import existing
    from kernelrt.console.output import print_json

    opened = existing(store)
    found = opened.stats()
    if json:
        print_json({"store": str(opened.root), **asdict(found)})
        return
    if not opened.exists:
        print(f"{opened.root}: empty: nothing was stored there yet")
        return
    print(f"{opened.root}: {found.entries} entries, {found.bytes} bytes")
    print(f"{found.quarantined} damaged entries in quarantine, {found.temporary} temporary folders")
    for stray in found.strays:
        print(f"not of kernelc, and left alone: {stray}")


@cache.command()
def gc(
    days: Annotated[float, typer.Option(metavar="N", help="Keep entries used within N days.")] = 30,
    store: o.StoreAt = None,
    json: o.Json = False,
) -> None:
    """Remove old entries, the quarantine, and what dead builds left."""
    from kernelc.store import existing
    from kernelrt.console.output import print_json
    from kernelrt.errors import InputError

    if not days >= 0:  # so that nan is refused too
        raise InputError(f"--days {days:g}: expected a number of days, 0 or more")
    opened = existing(store)
    entries, size = opened.gc(days)
    if json:
        print_json({"store": str(opened.root), "removed": entries, "bytes": size})
        return
    print(f"{opened.root}: removed {entries} entries, {size} bytes")


@cache.command()
def verify(store: o.StoreAt = None, json: o.Json = False) -> None:
    """Check every byte; what fails goes to quarantine, and the next build makes it again. Exit code 5 if any failed."""
    import sys

    from kernelc.store import existing
    from kernelrt.console.output import print_json
    from kernelrt.errors import Exit

    opened = existing(store)
    with opened.in_use():
        total, damaged = opened.verify()
        strays = opened.stats().strays
    for key, reason in damaged.items():
        print(f"error: {opened.root}: entry {key}: {reason}; moved to quarantine", file=sys.stderr)
    for stray in strays:
        print(f"note: {stray}: not of kernelc, and left alone", file=sys.stderr)
    if json:
        print_json({"store": str(opened.root), "entries": total, "damaged": damaged, "strays": strays})
    elif not opened.exists:
        print(f"{opened.root}: empty: nothing was stored there yet")
    else:
        print(f"{opened.root}: {total} entries, {len(damaged)} damaged")
    if damaged:
        raise typer.Exit(Exit.STORE)
