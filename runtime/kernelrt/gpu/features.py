"""What a Vulkan device is and can do, in the project's vocabulary of features."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from kernelrt.gpu.api import Arena, CData, Vk

DeviceType = Literal["discrete", "integrated", "virtual", "cpu", "other"]

FEATURES = (
    "float16",  # shaderFloat16
    "storage16",  # storageBuffer16BitAccess
    "int8",  # shaderInt8
    "storage8",  # storageBuffer8BitAccess
    "subgroup",  # compute: basic, vote, arithmetic, ballot, shuffle, clustered
    "integer_dot",  # shaderIntegerDotProduct
    "coopmat_f16",  # KHR cooperative matrix 16x16x16, A and B f16, C f32, subgroup scope
    "coopmat_bf16",  # the same with bfloat16
    "coopmat_mma",  # coopmat_f16 whose elements lie in lanes as NVIDIA's mma.m16n8k16 has them (kernelrt.gpu.lanes)
    "memory_model",  # vulkanMemoryModel, with device scope
    "bfloat16",  # VK_KHR_shader_bfloat16
    "subgroup_size_control",  # subgroupSizeControl
    "executable_info",  # VK_KHR_pipeline_executable_properties
)

_COOPMAT = "VK_KHR_cooperative_matrix"
_BFLOAT16 = "VK_KHR_shader_bfloat16"
_EXECUTABLE = "VK_KHR_pipeline_executable_properties"
IMPORT_HOST = "VK_EXT_external_memory_host"
_COMPONENT_BFLOAT16 = 1000141000  # VK_COMPONENT_TYPE_BFLOAT16_KHR
_STYPE_BFLOAT16 = 1000141000  # VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_BFLOAT16_FEATURES_KHR
_SUBGROUP_OPERATIONS = 0x01 | 0x02 | 0x04 | 0x08 | 0x10 | 0x40  # basic vote arithmetic ballot shuffle clustered
_STAGE_COMPUTE = 0x20
VULKAN_1_3 = (1, 3)


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """One Vulkan device. Sizes are bytes; `api` is (major, minor, patch); `timestamp_ns` is nanoseconds a tick, 0 where
    the device has no timestamps; `matrices` are the cooperative matrix shapes as "MxNxK A B C R scope"."""

    name: str
    driver: str
    device_type: DeviceType
    api: tuple[int, int, int]
    subgroup: int
    min_subgroup: int
    max_subgroup: int
    shared_memory: int
    max_workgroup: int
    max_workgroups: tuple[int, int, int]
    max_storage_range: int
    timestamp_ns: float
    features: frozenset[str]
    extensions: frozenset[str] = field(repr=False)
    matrices: tuple[str, ...]

    @property
    def unified(self) -> bool:
        """Whether host and device share one memory."""
        return self.device_type in ("cpu", "integrated")


class FeatureChain:
    """The chain of feature structs, for asking a device and for enabling the same on it."""

    def __init__(self, arena: Arena, extensions: frozenset[str]) -> None:
        self.head = arena.new("VkPhysicalDeviceFeatures2")
        self.v11 = arena.new("VkPhysicalDeviceVulkan11Features")
        self.v12 = arena.new("VkPhysicalDeviceVulkan12Features")
        self.v13 = arena.new("VkPhysicalDeviceVulkan13Features")
        self.coopmat = arena.new("VkPhysicalDeviceCooperativeMatrixFeaturesKHR") if _COOPMAT in extensions else None
        # The package has no struct for bfloat16. This one has the same layout: sType, pNext, three VkBool32 (type, dot
        # product, cooperative matrix).
        self.bfloat16 = arena.new("VkPhysicalDevice8BitStorageFeatures") if _BFLOAT16 in extensions else None
        if self.bfloat16 is not None:
            self.bfloat16.sType = _STYPE_BFLOAT16
        self.executable = (
            arena.new("VkPhysicalDevicePipelineExecutablePropertiesFeaturesKHR") if _EXECUTABLE in extensions else None
        )
        self._plain = [name for name in (IMPORT_HOST,) if name in extensions]  # they have no feature struct
        optional = [s for s in (self.coopmat, self.bfloat16, self.executable) if s is not None]
        arena.chain(self.head, self.v11, self.v12, self.v13, *optional)

    def bits(self) -> list[tuple[CData, str]]:
        """Every feature bit that the project uses, as (struct, field). What is not in the vocabulary, every Vulkan 1.3
        device has, and it must be asked for all the same."""
        found: list[tuple[CData, str]] = [
            (self.v11, "storageBuffer16BitAccess"),
            (self.v12, "shaderFloat16"),
            (self.v12, "shaderInt8"),
            (self.v12, "storageBuffer8BitAccess"),
            (self.v12, "shaderSubgroupExtendedTypes"),
            (self.v12, "vulkanMemoryModel"),
            (self.v12, "vulkanMemoryModelDeviceScope"),
            (self.v13, "shaderIntegerDotProduct"),
            (self.v13, "subgroupSizeControl"),
            (self.v13, "computeFullSubgroups"),
            (self.v13, "maintenance4"),
        ]
        if self.coopmat is not None:
            found.append((self.coopmat, "cooperativeMatrix"))
        if self.bfloat16 is not None:
            found += [(self.bfloat16, bit) for bit, _ in _BFLOAT16_FIELDS]
        if self.executable is not None:
            found.append((self.executable, "pipelineExecutableInfo"))
        return found

    def extensions(self) -> list[str]:
        """The extensions that the chain needs enabled."""
        pairs = ((self.coopmat, _COOPMAT), (self.bfloat16, _BFLOAT16), (self.executable, _EXECUTABLE))
        return [name for struct, name in pairs if struct is not None] + self._plain


# Field of the stand-in struct -> what it means in VkPhysicalDeviceShaderBfloat16FeaturesKHR.
_BFLOAT16_FIELDS = (
    ("storageBuffer8BitAccess", "shaderBFloat16Type"),
    ("uniformAndStorageBuffer8BitAccess", "shaderBFloat16DotProduct"),
    ("storagePushConstant8", "shaderBFloat16CooperativeMatrix"),
)


def enable(vk: Vk, arena: Arena, physical: CData, info: DeviceInfo) -> FeatureChain:
    """The chain for vkCreateDevice: every bit the project uses and the device has."""
    offered = FeatureChain(arena, info.extensions)
    vk.lib.vkGetPhysicalDeviceFeatures2(physical, offered.head)
    wanted = FeatureChain(arena, info.extensions)
    for (source, bit), (target, _) in zip(offered.bits(), wanted.bits(), strict=True):
        setattr(target, bit, getattr(source, bit))
    return wanted


def query(vk: Vk, instance: CData, physical: CData) -> DeviceInfo:
    """Asks a physical device what it is. A device below Vulkan 1.3 is described with no features."""
    arena = Arena(vk)
    basic = vk.ffi.new("VkPhysicalDeviceProperties*")
    vk.lib.vkGetPhysicalDeviceProperties(physical, basic)
    version = int(basic.apiVersion)
    api = (version >> 22 & 0x7F, version >> 12 & 0x3FF, version & 0xFFF)
    properties = arena.new("VkPhysicalDeviceProperties2")
    driver = arena.new("VkPhysicalDeviceDriverProperties")
    subgroup = arena.new("VkPhysicalDeviceSubgroupProperties")
    sizes = arena.new("VkPhysicalDeviceSubgroupSizeControlProperties")
    modern = api[:2] >= VULKAN_1_3
    arena.chain(properties, *((driver, subgroup, sizes) if modern else ()))
    if modern:
        vk.lib.vkGetPhysicalDeviceProperties2(physical, properties)
    else:
        properties.properties = basic[0]
    rows = vk.listed("vkEnumerateDeviceExtensionProperties", "VkExtensionProperties", physical, vk.null)
    extensions = frozenset(vk.string(row.extensionName) for row in rows)
    chain = FeatureChain(arena, extensions)
    if modern:
        vk.lib.vkGetPhysicalDeviceFeatures2(physical, chain.head)
    matrices = (
        _matrices(vk, instance, physical) if chain.coopmat is not None and chain.coopmat.cooperativeMatrix else ()
    )
    limits = properties.properties.limits
    size = int(subgroup.subgroupSize)
    period = float(limits.timestampPeriod)
    return DeviceInfo(
        name=vk.string(properties.properties.deviceName),
        driver=f"{vk.string(driver.driverName)} {vk.string(driver.driverInfo)}".strip(),
        device_type=_device_type(int(properties.properties.deviceType)),
        api=api,
        subgroup=size,
        min_subgroup=int(sizes.minSubgroupSize) or size,
        max_subgroup=int(sizes.maxSubgroupSize) or size,
        shared_memory=int(limits.maxComputeSharedMemorySize),
        max_workgroup=int(limits.maxComputeWorkGroupInvocations),
        max_workgroups=(
            int(limits.maxComputeWorkGroupCount[0]),
            int(limits.maxComputeWorkGroupCount[1]),
            int(limits.maxComputeWorkGroupCount[2]),
        ),
        max_storage_range=int(limits.maxStorageBufferRange),
        # RADV's null device gives infinity.
        timestamp_ns=period if limits.timestampComputeAndGraphics and math.isfinite(period) else 0.0,
        features=frozenset(_features(chain, subgroup, matrices)),
        extensions=extensions,
        matrices=matrices,
    )


def _device_type(value: int) -> DeviceType:
    known: dict[int, DeviceType] = {1: "integrated", 2: "discrete", 3: "virtual", 4: "cpu"}
    return known.get(value, "other")


def _features(chain: FeatureChain, subgroup: Any, matrices: tuple[str, ...]) -> list[str]:
    """The words of the vocabulary that hold."""
    brain = chain.bfloat16
    holds: dict[str, Callable[[], bool]] = {
        "float16": lambda: bool(chain.v12.shaderFloat16),
        "storage16": lambda: bool(chain.v11.storageBuffer16BitAccess),
        "int8": lambda: bool(chain.v12.shaderInt8),
        "storage8": lambda: bool(chain.v12.storageBuffer8BitAccess),
        "subgroup": lambda: (
            bool(subgroup.supportedStages & _STAGE_COMPUTE)
            and subgroup.supportedOperations & _SUBGROUP_OPERATIONS == _SUBGROUP_OPERATIONS
        ),
        "integer_dot": lambda: bool(chain.v13.shaderIntegerDotProduct),
        "coopmat_f16": lambda: "16x16x16 f16 f16 f32 f32 subgroup" in matrices,
        "coopmat_bf16": lambda: (
            brain is not None and bool(brain.storagePushConstant8) and "16x16x16 bf16 bf16 f32 f32 subgroup" in matrices
        ),
        "coopmat_mma": lambda: False,  # no query tells it: a device learns it
        "memory_model": lambda: bool(chain.v12.vulkanMemoryModel and chain.v12.vulkanMemoryModelDeviceScope),
        "bfloat16": lambda: brain is not None and bool(brain.storageBuffer8BitAccess),
        "subgroup_size_control": lambda: bool(chain.v13.subgroupSizeControl),
        "executable_info": lambda: chain.executable is not None and bool(chain.executable.pipelineExecutableInfo),
    }
    return [name for name in FEATURES if holds[name]()]


def _matrices(vk: Vk, instance: CData, physical: CData) -> tuple[str, ...]:
    function = vk.instance_function(instance, "vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR")
    count = vk.ffi.new("uint32_t*")
    vk.check("vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR", function(physical, count, vk.null))
    rows = vk.ffi.new("VkCooperativeMatrixPropertiesKHR[]", count[0])
    for row in rows:
        row.sType = vk.structure_type("VkCooperativeMatrixPropertiesKHR")
    vk.check("vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR", function(physical, count, rows))
    names: dict[int, str] = dict(enumerate(("f16", "f32", "f64", "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64")))
    names[_COMPONENT_BFLOAT16] = "bf16"
    scopes = {1: "device", 2: "workgroup", 3: "subgroup", 5: "queue"}
    described: list[str] = []
    for row in rows:
        # A component's number, not its name: an enum unknown to the package reads as an integer either way.
        kinds = (int(row.AType), int(row.BType), int(row.CType), int(row.ResultType))
        types = " ".join(names.get(kind, str(kind)) for kind in kinds)
        saturating = " saturating" if row.saturatingAccumulation else ""
        scope = scopes.get(int(row.scope), str(int(row.scope)))
        described.append(f"{row.MSize}x{row.NSize}x{row.KSize} {types} {scope}{saturating}")
    return tuple(described)
