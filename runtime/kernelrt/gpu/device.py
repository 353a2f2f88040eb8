"""Vulkan devices: listing them, opening one, running pipelines on it."""

from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from kernelrt.gpu import heaps
from kernelrt.gpu.api import Arena, CData, Vk
from kernelrt.gpu.errors import GpuError
from kernelrt.gpu.features import VULKAN_1_3, DeviceInfo, enable, query

NULL_HARDWARE = "Null hardware"  # RADV's device that compiles and cannot dispatch
_PREFERENCE = ("discrete", "integrated", "virtual", "other", "cpu")


@contextmanager
def _instance(vk: Vk) -> Generator[CData, None, None]:
    arena = Arena(vk)
    application = arena.new("VkApplicationInfo", apiVersion=VULKAN_1_3[0] << 22 | VULKAN_1_3[1] << 12)
    info = arena.new("VkInstanceCreateInfo", pApplicationInfo=application)
    out = vk.ffi.new("VkInstance*")
    result = vk.lib.vkCreateInstance(info, vk.null, out)
    if result == vk.lib.VK_ERROR_INCOMPATIBLE_DRIVER:
        raise GpuError("no Vulkan driver: install the GPU's, or mesa-vulkan-drivers for a CPU device (lavapipe)")
    vk.check("vkCreateInstance", result)
    instance = out[0]
    try:
        yield instance
    finally:
        vk.lib.vkDestroyInstance(instance, vk.null)


def _physical(vk: Vk, instance: CData) -> list[tuple[CData, DeviceInfo]]:
    found = vk.listed("vkEnumeratePhysicalDevices", "VkPhysicalDevice", instance)
    return [(physical, query(vk, instance, physical)) for physical in found]


def devices() -> tuple[DeviceInfo, ...]:
    """Every Vulkan device, in the loader's order. Raises GpuError where there is no loader or no driver."""
    vk = Vk.load()
    with _instance(vk) as instance:
        return tuple(info for _, info in _physical(vk, instance))


def choose(found: Sequence[DeviceInfo], select: str | None) -> int:
    """Index of the device that `select` names: a number, or a part of a name (any case); else the best that can run.

    Raises GpuError where nothing matches, naming what there is.
    """
    names = ", ".join(f"{i}: {info.name}" for i, info in enumerate(found)) or "none"
    if select is not None:
        if select.isdecimal():
            matching = [int(select)] if int(select) < len(found) else []
        else:
            matching = [i for i, info in enumerate(found) if select.casefold() in info.name.casefold()]
        if not matching:
            raise GpuError(f"no Vulkan device matches {select!r} (found {names})")
        return matching[0]
    able = [i for i, info in enumerate(found) if NULL_HARDWARE not in info.name and info.api[:2] >= VULKAN_1_3]
    if not able:
        raise GpuError(f"no Vulkan 1.3 device that can run (found {names}); install Mesa's lavapipe for a CPU device")
    return min(able, key=lambda i: _PREFERENCE.index(found[i].device_type))


class Device:
    """An open device with one compute queue. What is created on it is destroyed with it.

    Not thread-safe, but for pipelines, which may be made in several threads.
    """

    def __init__(self, vk: Vk, physical: CData, info: DeviceInfo) -> None:
        self.vk = vk
        self.physical = physical
        self.info = info
        self._closers: dict[int, Callable[[], None]] = {}
        self.closings = 0  # how often something was closed: who checked at this count need not check again
        family, bits = _compute_family(vk, physical)
        self.timestamp_bits = bits
        arena = Arena(vk)
        chain = enable(vk, arena, physical, info)
        priorities = arena.array("float", [1.0])
        queue = arena.new("VkDeviceQueueCreateInfo", queueFamilyIndex=family, queueCount=1, pQueuePriorities=priorities)
        names = chain.extensions()
        create = arena.new(
            "VkDeviceCreateInfo",
            pNext=chain.head,
            queueCreateInfoCount=1,
            pQueueCreateInfos=queue,
            enabledExtensionCount=len(names),
            ppEnabledExtensionNames=arena.strings(names),
        )
        self.handle = vk.create("vkCreateDevice", "VkDevice", physical, create, vk.null)
        out = vk.ffi.new("VkQueue*")
        vk.lib.vkGetDeviceQueue(self.handle, family, 0, out)
        self.queue = out[0]
        again = vk.lib.VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT
        pool = arena.new("VkCommandPoolCreateInfo", flags=again, queueFamilyIndex=family)
        self.command_pool = vk.create("vkCreateCommandPool", "VkCommandPool", self.handle, pool, vk.null)
        # Asked for its budget, RADV's null device crashes.
        known = frozenset[str]() if NULL_HARDWARE in info.name else info.extensions
        self.memory = heaps.query(vk, physical, known)

    @staticmethod
    @contextmanager
    def open(select: str | None = None) -> "Generator[Device, None, None]":
        """Opens a device with every feature of the vocabulary that it has: `select` is an index or a part of a name.

        Without it, the first that can run, discrete before integrated before CPU. Raises GpuError where there is none.
        """
        vk = Vk.load()
        with ExitStack() as stack:
            instance = stack.enter_context(_instance(vk))
            found = _physical(vk, instance)
            physical, info = found[choose([info for _, info in found], select)]
            if info.api[:2] < VULKAN_1_3:
                raise GpuError(f"{info.name} has Vulkan {info.api[0]}.{info.api[1]}; 1.3 is needed")
            device = Device(vk, physical, info)
            stack.callback(device.close)
            yield device

    def learn(self, feature: str) -> None:
        """The device has a feature that no query tells and a kernel has shown."""
        self.info = replace(self.info, features=self.info.features | {feature})

    def owns(self, key: int, close: Callable[[], None]) -> None:
        """Registers what must be destroyed before the device; `disown` takes it out again."""
        self._closers[key] = close

    def disown(self, key: int) -> bool:
        """Whether `key` was registered; it is not any more."""
        self.closings += 1
        return self._closers.pop(key, None) is not None

    def has(self, key: int) -> bool:
        """Whether `key` is registered."""
        return key in self._closers

    def close(self) -> None:
        """Waits, and destroys everything on the device and the device itself."""
        if NULL_HARDWARE not in self.info.name:  # it has no queue to wait for, and crashes
            self.vk.lib.vkDeviceWaitIdle(self.handle)
        while self._closers:
            _, close = self._closers.popitem()  # the latest first
            self.closings += 1
            close()
        self.vk.lib.vkDestroyCommandPool(self.handle, self.command_pool, self.vk.null)
        self.vk.lib.vkDestroyDevice(self.handle, self.vk.null)


def _compute_family(vk: Vk, physical: CData) -> tuple[int, int]:
    """Index and timestamp bits of the first queue family that computes."""
    count = vk.ffi.new("uint32_t*")
    vk.lib.vkGetPhysicalDeviceQueueFamilyProperties(physical, count, vk.null)
    families = vk.ffi.new("VkQueueFamilyProperties[]", count[0])
    vk.lib.vkGetPhysicalDeviceQueueFamilyProperties(physical, count, families)
    for index, family in enumerate(families):
        if family.queueFlags & vk.lib.VK_QUEUE_COMPUTE_BIT:
            return index, int(family.timestampValidBits)
    raise GpuError("the device has no compute queue")
