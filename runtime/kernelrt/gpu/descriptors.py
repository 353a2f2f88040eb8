"""Descriptor sets: which buffers a dispatch's bindings are."""

from collections.abc import Sequence
from dataclasses import dataclass

from kernelrt.gpu.api import Arena, CData
from kernelrt.gpu.device import Device
from kernelrt.gpu.errors import GpuError
from kernelrt.gpu.memory import Buffer
from kernelrt.gpu.pipeline import Pipeline
from kernelrt.gpu.resource import Resource


@dataclass(frozen=True, slots=True)
class Dispatch:
    """One dispatch: `buffers[i]` is bound to binding i, and `writes[i]` is whether the kernel may write it (None: any);
    `grid` counts workgroups in x, y, z. `follows`: the kernel waits itself until the dispatch in front is done.
    """

    pipeline: Pipeline
    buffers: tuple[Buffer, ...]
    grid: tuple[int, int, int]
    writes: tuple[bool, ...] | None = None
    follows: bool = False

    @property
    def access(self) -> tuple[set[int], set[int], bool]:
        """What kernelrt.gpu.hazards asks for: the buffers that it uses, and those among them that it may write, by
        identity; whether it follows.
        """
        writes = (True,) * len(self.buffers) if self.writes is None else self.writes
        written = {id(buffer) for buffer, write in zip(self.buffers, writes, strict=True) if write}
        return {id(buffer) for buffer in self.buffers}, written, self.follows

    @property
    def bound(self) -> tuple[int, ...]:
        """What tells its descriptor set from another's."""
        return (id(self.pipeline), *(id(buffer) for buffer in self.buffers))

    def check(self, device: Device) -> None:
        """Raises GpuError where it does not fit its pipeline or the device, or where something of it was closed."""
        name, info = self.pipeline.name, device.info
        for resource in (self.pipeline, *self.buffers):
            resource.must_be_open()
        if len(self.buffers) != self.pipeline.bindings:
            raise GpuError(f"{name}: {self.pipeline.bindings} bindings, {len(self.buffers)} buffers")
        for count, limit in zip(self.grid, info.max_workgroups, strict=True):
            if not 0 < count <= limit:
                raise GpuError(f"{name}: a grid of {self.grid}; {info.name} allows 1 to {info.max_workgroups}")
        for binding, buffer in enumerate(self.buffers):
            if buffer.nbytes > info.max_storage_range:
                raise GpuError(
                    f"{name}: binding {binding} is {buffer.nbytes} bytes; {info.name} allows {info.max_storage_range}"
                )


class Descriptors(Resource):
    """The descriptor sets of some dispatches, one for each choice of pipeline and buffers."""

    def __init__(self, device: Device, dispatches: Sequence[Dispatch]) -> None:
        vk, arena = device.vk, Arena(device.vk)
        distinct = {dispatch.bound: dispatch for dispatch in dispatches}
        count = sum(len(dispatch.buffers) for dispatch in distinct.values())
        kind = vk.lib.VK_DESCRIPTOR_TYPE_STORAGE_BUFFER
        size = arena.new("VkDescriptorPoolSize", type=kind, descriptorCount=max(count, 1))
        info = arena.new("VkDescriptorPoolCreateInfo", maxSets=max(len(distinct), 1), poolSizeCount=1, pPoolSizes=size)
        self._pool = vk.create("vkCreateDescriptorPool", "VkDescriptorPool", device.handle, info, vk.null)
        super().__init__(device)
        self._sets = {bound: self._set(dispatch) for bound, dispatch in distinct.items()}

    def of(self, dispatch: Dispatch) -> CData:
        """An array of its one descriptor set."""
        return self._sets[dispatch.bound]

    def _set(self, dispatch: Dispatch) -> CData:
        vk, arena, handle = self.device.vk, Arena(self.device.vk), self.device.handle
        layouts = arena.array("VkDescriptorSetLayout", [dispatch.pipeline.set_layout])
        info = arena.new(
            "VkDescriptorSetAllocateInfo", descriptorPool=self._pool, descriptorSetCount=1, pSetLayouts=layouts
        )
        sets = vk.ffi.new("VkDescriptorSet[1]")
        vk.call("vkAllocateDescriptorSets", handle, info, sets)
        bound = vk.ffi.new("VkDescriptorBufferInfo[]", [(b.handle, 0, vk.whole) for b in dispatch.buffers])
        write = arena.new(
            "VkWriteDescriptorSet",
            dstSet=sets[0],
            descriptorCount=len(dispatch.buffers),
            descriptorType=vk.lib.VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
            pBufferInfo=bound,
        )
        vk.lib.vkUpdateDescriptorSets(handle, 1, write, 0, vk.null)
        return sets

    def _destroy(self) -> None:
        self.device.vk.lib.vkDestroyDescriptorPool(self.device.handle, self._pool, self.device.vk.null)
