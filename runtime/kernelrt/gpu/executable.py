"""What the driver says about a compiled pipeline: statistics and disassembly."""

from dataclasses import dataclass

from kernelrt.gpu.api import Arena
from kernelrt.gpu.errors import GpuError
from kernelrt.gpu.pipeline import Pipeline


@dataclass(frozen=True, slots=True)
class Executable:
    """One executable of a pipeline. `statistics` are the driver's, by the driver's names; `texts` its internal
    representations by name (on AMD "Assembly" among them)."""

    name: str
    subgroup: int
    statistics: tuple[tuple[str, int | float], ...]
    texts: tuple[tuple[str, str], ...]


def executables(pipeline: Pipeline) -> tuple[Executable, ...]:
    """The executables of a pipeline created with `capture`. Raises GpuError where the device cannot say."""
    device, vk = pipeline.device, pipeline.device.vk
    if "executable_info" not in device.info.features:
        raise GpuError(f"{device.info.name} has no VK_KHR_pipeline_executable_properties")
    arena = Arena(vk)
    function = vk.device_function(device.handle, "vkGetPipelineExecutablePropertiesKHR")
    about = arena.new("VkPipelineInfoKHR", pipeline=pipeline.handle)
    count = vk.ffi.new("uint32_t*")
    vk.check("vkGetPipelineExecutablePropertiesKHR", function(device.handle, about, count, vk.null))
    rows = vk.ffi.new("VkPipelineExecutablePropertiesKHR[]", count[0])
    for row in rows:
        row.sType = vk.structure_type("VkPipelineExecutablePropertiesKHR")
    vk.check("vkGetPipelineExecutablePropertiesKHR", function(device.handle, about, count, rows))
    return tuple(
        Executable(
            vk.string(row.name),
            int(row.subgroupSize),
            _statistics(pipeline, index),
            _texts(pipeline, index),
        )
        for index, row in enumerate(rows)
    )


def _statistics(pipeline: Pipeline, index: int) -> tuple[tuple[str, int | float], ...]:
    device, vk = pipeline.device, pipeline.device.vk
    name = "vkGetPipelineExecutableStatisticsKHR"
    function = vk.device_function(device.handle, name)
    about = Arena(vk).new("VkPipelineExecutableInfoKHR", pipeline=pipeline.handle, executableIndex=index)
    count = vk.ffi.new("uint32_t*")
    vk.check(name, function(device.handle, about, count, vk.null))
    rows = vk.ffi.new("VkPipelineExecutableStatisticKHR[]", count[0])
    for row in rows:
        row.sType = vk.structure_type("VkPipelineExecutableStatisticKHR")
    vk.check(name, function(device.handle, about, count, rows))
    fields = ("b32", "i64", "u64", "f64")  # by VkPipelineExecutableStatisticFormatKHR
    found: list[tuple[str, int | float]] = []
    for row in rows:
        field = fields[int(row.format)]
        value = getattr(row.value, field)
        found.append((vk.string(row.name), float(value) if field == "f64" else int(value)))
    return tuple(found)


def _texts(pipeline: Pipeline, index: int) -> tuple[tuple[str, str], ...]:
    device, vk = pipeline.device, pipeline.device.vk
    name = "vkGetPipelineExecutableInternalRepresentationsKHR"
    function = vk.device_function(device.handle, name)
    about = Arena(vk).new("VkPipelineExecutableInfoKHR", pipeline=pipeline.handle, executableIndex=index)
    count = vk.ffi.new("uint32_t*")
    vk.check(name, function(device.handle, about, count, vk.null))
    rows = vk.ffi.new("VkPipelineExecutableInternalRepresentationKHR[]", count[0])
    for row in rows:
        row.sType = vk.structure_type("VkPipelineExecutableInternalRepresentationKHR")
    vk.check(name, function(device.handle, about, count, rows))
    # The first call gives the sizes; the second fills the memory given for them.
    kept = [vk.ffi.new("char[]", max(int(row.dataSize), 1)) for row in rows]
    for row, memory in zip(rows, kept, strict=True):
        row.pData = memory
    vk.check(name, function(device.handle, about, count, rows))
    texts = ((row, memory) for row, memory in zip(rows, kept, strict=True) if row.isText)
    return tuple((vk.string(row.name), vk.string(memory)) for row, memory in texts)
