"""Which tools are on this machine, what they can do, and what a missing one costs."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from kernelc.errors import ToolError
from kernelc.npu.tools import missing_packages
from kernelc.toolchain import aiecc, glslang, peano, spirv_val
from kernelc.toolchain.choice import Choice
from kernelc.toolchain.identity import Memo
from kernelc.toolchain.radv import FAMILIES, Radv, WorkerError
from kernelc.toolchain.radv import choose as choose_radv
from kernelc.toolchain.slang_library import SUPPORTED_WHEELS
from kernelrt.console.finding import Finding
from kernelrt.errors import KernelrtError
from kernelrt.gpu.api import Vk
from kernelrt.gpu.device import devices
from kernelrt.gpu.features import DeviceInfo
from kernelrt.npu import pyxrt_api

_MANIFEST = "the manifest says 'aiecc was not there at build time'"


def examine(memo: Memo | None = None) -> tuple[Finding, ...]:
    """Looks for every tool; loads and tries those that it finds. Raises nothing for a missing or broken one."""
    kept = memo or Memo()
    return (*_compilers(kept), *_validators(kept), *_radv(kept), *_vulkan(), *_npu(kept))


def _compilers(memo: Memo) -> Iterator[Finding]:
    cost = "nothing while the other compiler is there; without both, nothing can be compiled"
    wheel, program = glslang.choose_wheel(memo), glslang.choose_program(memo)
    install = f"pip install 'slangpy=={SUPPORTED_WHEELS[-1]}'"
    first = _compiler("glslang (slangpy wheel)", wheel, True, cost, install)
    second = _compiler("glslang (PATH)", program, isinstance(wheel, str), cost, "the package glslang-tools")
    yield replace(first, needed=not second.found)
    slower = "in use: each kernel takes a process, and an old one knows no cooperative matrices or bfloat16"
    note = slower if isinstance(wheel, str) else "not in use: the wheel's is preferred"
    yield replace(second, note=note if second.found else second.note, needed=not first.found)


def _compiler(name: str, choice: Choice | str, used: bool, cost: str, install: str) -> Finding:
    if isinstance(choice, str):
        return Finding(name, False, note=choice, cost=cost, install=install)
    backend = glslang.load(choice)
    features = tuple(extension for extension in glslang.EXTENSIONS if glslang.supports(backend, extension))
    return Finding(name, True, str(choice.path), choice.version, features, note="in use" if used else "")


def _validators(memo: Memo) -> Iterator[Finding]:
    try:
        choice = spirv_val.choose(memo)
    except ToolError as error:
        cost = "no kernel can be validated"
        yield Finding("SPIRV-Tools", False, note=str(error), cost=cost, install="spirv-tools", needed=True)
        return
    note = spirv_val.load(choice).description
    yield Finding("SPIRV-Tools", True, str(choice.path), choice.version, note=note, needed=True)


def _radv(memo: Memo) -> Iterator[Finding]:
    for gpu in FAMILIES:
        name = f"RADV null device ({gpu})"
        try:
            driver = choose_radv(memo, gpu)
            with Radv(driver) as radv:
                features = tuple(str(feature) for feature in radv.about()["features"])
        except (ToolError, WorkerError) as error:
            lost = f"no machine code and no register counts for {gpu}: its kernels are validated and not compiled"
            cost = f"{lost}, and the manifest says 'radv:{gpu} was not there at build time'"
            yield Finding(name, False, note=str(error), cost=cost, install="mesa-vulkan-drivers 25 or newer")
            continue
        yield Finding(name, True, str(driver.library), driver.version, features, note="compiles, cannot run")


def _vulkan() -> Iterator[Finding]:
    try:
        Vk.load()
    except KernelrtError as error:
        cost = "no kernel can be run here, and RADV's offline compiler does not work"
        yield Finding("Vulkan loader", False, note=str(error), cost=cost, install="libvulkan1 (Fedora: vulkan-loader)")
        return
    found: tuple[DeviceInfo, ...] = ()
    try:
        found = devices()
        note = f"devices: {len(found)}"
    except KernelrtError as error:
        note = f"no driver: {error}"
    yield Finding("Vulkan loader", True, "libvulkan.so.1", note=note)
    software = [info for info in found if info.device_type == "cpu"]
    yield from (_device("lavapipe (CPU)", info) for info in software)
    if not software:
        cost = "without a GPU no kernel can be run, and the numeric tests fail"
        yield Finding("lavapipe (CPU)", False, cost=cost, install="mesa-vulkan-drivers")
    hardware = [info for info in found if info.device_type != "cpu"]
    yield from (_device("GPU", info) for info in hardware)
    if not hardware:
        yield Finding("GPU", False, cost="speed: kernels run on the CPU, which proves that they are right and no more")


def _device(name: str, info: DeviceInfo) -> Finding:
    version = f"{info.driver}, Vulkan {'.'.join(map(str, info.api))}"
    return Finding(name, True, info.name, version, tuple(sorted(info.features)))


def _npu(memo: Memo) -> Iterator[Finding]:
    name, absent = "designs for the NPU (kernelrt[sim])", missing_packages()
    if absent:
        cost, install = "no kernel for the NPU is verified, and bundles have none", "pip install 'kernelrt[sim]'"
        yield Finding(name, False, note=f"without {', '.join(absent)}", cost=cost, install=install)
    else:
        yield Finding(name, True, "Python packages", note="verifies them, and simulates them")
    lost = f"no xclbin is made: NPU kernels run on the simulator alone, and {_MANIFEST}"
    try:
        tools = aiecc.choose(memo)
        note = f"with {' '.join((*tools.dialect.common, *tools.dialect.both))}" + "".join(
            f"; llc with {flag}" for flag in tools.peano.flags
        )
    except ToolError as error:
        note = str(error)
    yield _tool("aiecc (mlir-aie)", aiecc.find, "mlir_aie", note, lost, aiecc.INSTALL)
    yield _tool("Peano (llvm-aie)", peano.find, "llvm_aie", "", lost, peano.INSTALL)
    yield _tool("xclbinutil", aiecc.find_xclbinutil, "", "", lost, "XRT (Debian: libxrt-utils)")
    if place := pyxrt_api.find():
        yield Finding("XRT (pyxrt)", True, str(place), note="`kernelrt doctor` says whether an NPU answers")
    else:
        cost = "no kernel can be run on an NPU from here; building needs none"
        yield Finding("XRT (pyxrt)", False, cost=cost, install=pyxrt_api.PACKAGES)


def _tool(name: str, find: Callable[[], Path], wheel: str, note: str, cost: str, install: str) -> Finding:
    try:
        place = find()
    except ToolError as error:
        return Finding(name, False, note=str(error), cost=cost, install=install)
    root = place.parent.parent if place.is_file() else place
    version = peano.wheel_version(root, wheel) if wheel else "of XRT"
    return Finding(name, True, str(place), version, note=note)
