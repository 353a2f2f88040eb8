"""What running a bundle needs, which of it is on this machine, and what a missing part costs."""

import importlib.metadata
import importlib.util
from collections.abc import Iterator

from rich.filesize import decimal

from kernelrt.console.finding import Finding
from kernelrt.errors import KernelrtError
from kernelrt.gpu.api import Vk
from kernelrt.npu import doctor as npu
from kernelrt.survey import Found, survey

_PACKAGES = (
    ("numpy", "no weights can be read"),
    ("rich", "no progress can be shown"),
    ("tokenizers", "no tokenizer.json can be read: text works with GGUF files alone"),
    ("typer", "there is no command line"),
    ("vulkan", "no device can be used"),
)


def examine() -> tuple[Finding, ...]:
    """Looks for everything, and opens each device. Raises nothing for what is missing or broken."""
    return (*_packages(), *_vulkan(), *npu.examine())


def _packages() -> Iterator[Finding]:
    for name, cost in _PACKAGES:
        yield _package(name, True, cost, f"pip install {name}")
    yield _package("matplotlib", False, "`kernelrt bench --plot` draws nothing", "pip install 'kernelrt[plot]'")


def _package(name: str, needed: bool, cost: str, install: str) -> Finding:
    title = f"Python package {name}"
    spec = importlib.util.find_spec(name)
    if spec is None:
        return Finding(title, False, cost=cost, install=install, needed=needed)
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        version = "of unknown version"
    return Finding(title, True, str(spec.origin or ""), version, needed=needed)


def _vulkan() -> Iterator[Finding]:
    install = "libvulkan1 (Fedora: vulkan-loader)"
    try:
        Vk.load()
    except KernelrtError as error:
        cost = "nothing can be run"
        yield Finding("Vulkan loader", False, note=str(error), cost=cost, install=install, needed=True)
        return
    note, found = "", ()
    try:
        found = survey()
    except KernelrtError as error:
        note = f"no driver: {error}"
    yield Finding("Vulkan loader", True, "libvulkan.so.1", note=note, needed=True)
    able = [device for device in found if not device.problem]
    if not able:
        cost, install = "nothing can be run", "the GPU's driver, or mesa-vulkan-drivers for a CPU device"
        yield Finding("Vulkan device", False, note=note, cost=cost, install=install, needed=True)
    yield from (_device(device) for device in found)
    if able and all(device.info.device_type == "cpu" for device in able):
        cost = "speed: a CPU device proves that a bundle is right and no more"
        yield Finding("GPU", False, cost=cost, install="the GPU's Vulkan driver")


def _device(device: Found) -> Finding:
    info = device.info
    heaps = device.memory.heaps if device.memory else ()
    sizes = [
        f"heap {i} of the {'device' if heap.device_local else 'host'}: "
        f"{decimal(heap.free)} of {decimal(heap.nbytes)} free"
        for i, heap in enumerate(heaps)
    ]
    limit = f"binds at most {decimal(info.max_storage_range)} to a kernel (maxStorageBufferRange)"
    return Finding(
        f"device {device.index}",
        not device.problem,
        where=f"{info.name} ({info.device_type})",
        version=f"{info.driver}, Vulkan {'.'.join(map(str, info.api))}",
        features=tuple(sorted(info.features)),
        note="; ".join([*sizes, limit]),
        cost=device.problem,
    )
