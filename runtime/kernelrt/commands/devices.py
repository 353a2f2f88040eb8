"""`kernelrt devices`"""

from typing import TYPE_CHECKING, Annotated

import typer

from kernelrt.commands import options as o

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kernelrt.survey import Found


def devices(
    bundle: Annotated[
        str | None, typer.Option(metavar="PATH|NAME", help="Say of each device whether it can run this bundle.")
    ] = None,
    json: o.Json = False,
) -> None:
    """List the Vulkan devices and what each can do."""
    from kernelrt.bundle import load
    from kernelrt.commands.places import find_bundle
    from kernelrt.console.output import print_json
    from kernelrt.survey import survey

    loaded = load(find_bundle(bundle)) if bundle is not None else None
    found = survey(loaded)
    if json:
        print_json([device.describe() for device in found])
        return
    if not found:
        print("no Vulkan device; install the GPU's driver, or Mesa's lavapipe for a CPU device")
    for device in found:
        print("\n".join(_lines(device, bundle)))


def _lines(device: "Found", bundle: str | None) -> "Iterator[str]":
    from rich.filesize import decimal

    info = device.info
    yield f"{device.index}  {info.name}"
    yield f"   {info.device_type}, Vulkan {'.'.join(map(str, info.api))}, {info.driver}"
    for number, heap in enumerate(device.memory.heaps if device.memory else ()):
        kind = "of the device" if heap.device_local else "of the host"
        yield f"   heap {number}: {decimal(heap.nbytes)} {kind}, {decimal(heap.free)} free"
    yield f"   binds at most {decimal(info.max_storage_range)} to a kernel; subgroups of {info.subgroup}"
    yield f"   features: {', '.join(sorted(info.features)) or 'none'}"
    if device.problem:
        yield f"   cannot run{f' {bundle}' if bundle else ''}: {device.problem}"
    elif bundle:
        yield f"   can run {bundle}"
