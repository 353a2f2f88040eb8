"""Compute pipelines from SPIR-V."""

import struct
from collections.abc import Mapping

from kernelrt.gpu.api import Arena, CData
from kernelrt.gpu.device import Device
from kernelrt.gpu.errors import GpuError
from kernelrt.gpu.resource import Resource


class Pipeline(Resource):
    """A compute pipeline: `bindings` storage buffers in set 0, no push constants.

    `constants` maps specialization ids to 32-bit integers. `subgroup` is the required subgroup size, 0 for any.
    With `capture`, statistics and disassembly can be read (kernelrt.gpu.executable). Raises GpuError where the driver
    refuses it.
    """

    def __init__(
        self,
        device: Device,
        spirv: bytes,
        bindings: int,
        constants: Mapping[int, int] | None = None,
        subgroup: int = 0,
        capture: bool = False,
        name: str = "kernel",
    ) -> None:
        if len(spirv) < 20 or len(spirv) % 4 or spirv[:4] != b"\x03\x02\x23\x07":
            raise GpuError(f"{name}: not a little-endian SPIR-V module ({len(spirv)} bytes)")
        _check_subgroup(device, name, subgroup)
        self.name = name
        self.bindings = bindings
        self._handles: list[tuple[str, CData]] = []
        super().__init__(device)
        try:
            self._create(spirv, constants or {}, subgroup, capture)
        except GpuError as error:
            self.close()
            raise GpuError(f"{name}: {error}") from error

    def _create(self, spirv: bytes, constants: Mapping[int, int], subgroup: int, capture: bool) -> None:
        vk, arena, handle = self.device.vk, Arena(self.device.vk), self.device.handle
        lib = vk.lib
        slots = [
            arena.new(
                "VkDescriptorSetLayoutBinding",
                binding=i,
                descriptorType=lib.VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                descriptorCount=1,
                stageFlags=lib.VK_SHADER_STAGE_COMPUTE_BIT,
            )
            for i in range(self.bindings)
        ]
        array = arena.array("VkDescriptorSetLayoutBinding", slots)
        set_info = arena.new("VkDescriptorSetLayoutCreateInfo", bindingCount=self.bindings, pBindings=array)
        self.set_layout = self._make("DescriptorSetLayout", set_info)
        sets = arena.array("VkDescriptorSetLayout", [self.set_layout])
        self.layout = self._make(
            "PipelineLayout", arena.new("VkPipelineLayoutCreateInfo", setLayoutCount=1, pSetLayouts=sets)
        )
        code = vk.ffi.cast("uint32_t*", arena.data(spirv))
        module_info = arena.new("VkShaderModuleCreateInfo", codeSize=len(spirv), pCode=code)
        module = vk.create("vkCreateShaderModule", "VkShaderModule", handle, module_info, vk.null)
        try:
            stage = arena.new(
                "VkPipelineShaderStageCreateInfo",
                stage=lib.VK_SHADER_STAGE_COMPUTE_BIT,
                module=module,
                pName=arena.text("main"),
                pSpecializationInfo=_specialization(arena, constants),
            )
            if subgroup:
                # Index arithmetic over subgroups relies on none being partly filled.
                stage.flags = lib.VK_PIPELINE_SHADER_STAGE_CREATE_REQUIRE_FULL_SUBGROUPS_BIT
                # Where there is one size only, asking for it would forbid large workgroups and gain nothing.
                if self.device.info.min_subgroup != self.device.info.max_subgroup:
                    stage.pNext = arena.new(
                        "VkPipelineShaderStageRequiredSubgroupSizeCreateInfo", requiredSubgroupSize=subgroup
                    )
            flags = 0
            if capture:
                flags = (
                    lib.VK_PIPELINE_CREATE_CAPTURE_STATISTICS_BIT_KHR
                    | lib.VK_PIPELINE_CREATE_CAPTURE_INTERNAL_REPRESENTATIONS_BIT_KHR
                )
            info = arena.new("VkComputePipelineCreateInfo", flags=flags, stage=stage[0], layout=self.layout)
            out = vk.ffi.new("VkPipeline*")
            vk.call("vkCreateComputePipelines", handle, vk.null, 1, info, vk.null, out)
            self.handle = out[0]
            self._handles.append(("Pipeline", self.handle))
        finally:
            lib.vkDestroyShaderModule(handle, module, vk.null)

    def _make(self, kind: str, info: CData) -> CData:
        vk = self.device.vk
        made = vk.create(f"vkCreate{kind}", f"Vk{kind}", self.device.handle, info, vk.null)
        self._handles.append((kind, made))
        return made

    def _destroy(self) -> None:
        vk = self.device.vk
        for kind, handle in reversed(self._handles):
            getattr(vk.lib, f"vkDestroy{kind}")(self.device.handle, handle, vk.null)
        self._handles.clear()


def _check_subgroup(device: Device, name: str, subgroup: int) -> None:
    info = device.info
    if not subgroup or subgroup == info.min_subgroup == info.max_subgroup:
        return
    if not info.min_subgroup <= subgroup <= info.max_subgroup or subgroup & (subgroup - 1):
        raise GpuError(
            f"{name}: needs subgroups of {subgroup}; {info.name} has {info.min_subgroup} to {info.max_subgroup}"
        )
    if "subgroup_size_control" not in info.features:
        raise GpuError(f"{name}: needs subgroups of {subgroup}; {info.name} cannot choose their size")


def _specialization(arena: Arena, constants: Mapping[int, int]) -> CData:
    """VkSpecializationInfo of 32-bit integers (negative ones as two's complement), in id order."""
    ids = sorted(constants)
    entries = [
        arena.new("VkSpecializationMapEntry", constantID=constant, offset=4 * i, size=4)
        for i, constant in enumerate(ids)
    ]
    data = b"".join(struct.pack("<I", constants[constant] & 0xFFFFFFFF) for constant in ids)
    return arena.new(
        "VkSpecializationInfo",
        mapEntryCount=len(ids),
        pMapEntries=arena.array("VkSpecializationMapEntry", entries),
        dataSize=len(data),
        pData=arena.data(data),
    )
