"""Running pipelines: a recorded sequence of dispatches, once or many times, timed or not."""

from collections.abc import Sequence
from dataclasses import dataclass

from kernelrt.gpu.api import Arena, CData
from kernelrt.gpu.commands import Commands, barrier
from kernelrt.gpu.device import NULL_HARDWARE, Device
from kernelrt.gpu.errors import GpuError
from kernelrt.gpu.memory import Buffer
from kernelrt.gpu.pipeline import Pipeline
from kernelrt.gpu.resource import Resource


@dataclass(frozen=True, slots=True)
class Dispatch:
    """One dispatch: `buffers[i]` is bound to binding i; `grid` counts workgroups in x, y, z."""

    pipeline: Pipeline
    buffers: tuple[Buffer, ...]
    grid: tuple[int, int, int]


class Recording(Resource):
    """A sequence of dispatches, recorded once, with a full compute barrier after each.

    The buffers' contents are read when it runs, so that a small buffer of run-time scalars steers the same recording.
    Raises GpuError where a dispatch does not fit its pipeline or the device. With `timed`, `run` gives the time.
    """

    def __init__(self, device: Device, dispatches: Sequence[Dispatch], timed: bool = False) -> None:
        if NULL_HARDWARE in device.info.name:
            raise GpuError(f"{device.info.name} compiles only: it cannot run a kernel")
        if timed and not (device.timestamp_bits and device.info.timestamp_ns):
            raise GpuError(f"{device.info.name} has no timestamps for compute")
        for dispatch in dispatches:
            _check(device, dispatch)
        vk = device.vk
        self.dispatches = tuple(dispatches)
        self._arena = Arena(vk)
        self._pool = _descriptor_pool(device, self._arena, self.dispatches)
        self._queries = _query_pool(device, self._arena) if timed else None
        super().__init__(device)
        self._commands = Commands(device, self._record)

    def run(self) -> float | None:
        """Runs the sequence and waits. If timed, nanoseconds from the first dispatch's start to the last one's end."""
        self.must_be_open()
        for dispatch in self.dispatches:
            for resource in (dispatch.pipeline, *dispatch.buffers):
                resource.must_be_open()
        self._commands.submit()
        if self._queries is None:
            return None
        vk = self.device.vk
        ticks = vk.ffi.new("uint64_t[2]")
        flags = vk.lib.VK_QUERY_RESULT_64_BIT | vk.lib.VK_QUERY_RESULT_WAIT_BIT
        vk.call("vkGetQueryPoolResults", self.device.handle, self._queries, 0, 2, 16, ticks, 8, flags)
        # Only the valid bits count, and the counter may have wrapped between the two.
        passed = (int(ticks[1]) - int(ticks[0])) & ((1 << self.device.timestamp_bits) - 1)
        return passed * self.device.info.timestamp_ns

    def close(self) -> None:
        """Frees the recording; a second call does nothing."""
        self._commands.close()
        super().close()

    def _record(self, command: CData) -> None:
        device, lib, null = self.device, self.device.vk.lib, self.device.vk.null
        if self._queries is not None:
            lib.vkCmdResetQueryPool(command, self._queries, 0, 2)
            lib.vkCmdWriteTimestamp(command, lib.VK_PIPELINE_STAGE_TOP_OF_PIPE_BIT, self._queries, 0)
        for dispatch in self.dispatches:
            sets = _descriptor_set(device, self._arena, self._pool, dispatch)
            point, pipeline = lib.VK_PIPELINE_BIND_POINT_COMPUTE, dispatch.pipeline
            lib.vkCmdBindPipeline(command, point, pipeline.handle)
            lib.vkCmdBindDescriptorSets(command, point, pipeline.layout, 0, 1, sets, 0, null)
            lib.vkCmdDispatch(command, *dispatch.grid)
            barrier(device, command)
        if self._queries is not None:
            lib.vkCmdWriteTimestamp(command, lib.VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, self._queries, 1)

    def _destroy(self) -> None:
        vk, handle = self.device.vk, self.device.handle
        vk.lib.vkDestroyDescriptorPool(handle, self._pool, vk.null)
        if self._queries is not None:
            vk.lib.vkDestroyQueryPool(handle, self._queries, vk.null)


def run(
    device: Device, pipeline: Pipeline, buffers: Sequence[Buffer], grid: tuple[int, int, int], repeats: int = 1
) -> None:
    """Dispatches a pipeline `repeats` times, one after the other, and waits."""
    with Recording(device, [Dispatch(pipeline, tuple(buffers), grid)] * repeats) as recording:
        recording.run()


def _check(device: Device, dispatch: Dispatch) -> None:
    name, info = dispatch.pipeline.name, device.info
    for resource in (dispatch.pipeline, *dispatch.buffers):
        resource.must_be_open()
    if len(dispatch.buffers) != dispatch.pipeline.bindings:
        raise GpuError(f"{name}: {dispatch.pipeline.bindings} bindings, {len(dispatch.buffers)} buffers")
    for count, limit in zip(dispatch.grid, info.max_workgroups, strict=True):
        if not 0 < count <= limit:
            raise GpuError(f"{name}: a grid of {dispatch.grid}; {info.name} allows 1 to {info.max_workgroups}")
    for binding, buffer in enumerate(dispatch.buffers):
        if buffer.nbytes > info.max_storage_range:
            raise GpuError(
                f"{name}: binding {binding} is {buffer.nbytes} bytes; {info.name} allows {info.max_storage_range}"
            )


def _descriptor_pool(device: Device, arena: Arena, dispatches: Sequence[Dispatch]) -> CData:
    count = sum(len(dispatch.buffers) for dispatch in dispatches)
    kind = device.vk.lib.VK_DESCRIPTOR_TYPE_STORAGE_BUFFER
    size = arena.new("VkDescriptorPoolSize", type=kind, descriptorCount=max(count, 1))
    info = arena.new("VkDescriptorPoolCreateInfo", maxSets=max(len(dispatches), 1), poolSizeCount=1, pPoolSizes=size)
    return device.vk.create("vkCreateDescriptorPool", "VkDescriptorPool", device.handle, info, device.vk.null)


def _query_pool(device: Device, arena: Arena) -> CData:
    info = arena.new("VkQueryPoolCreateInfo", queryType=device.vk.lib.VK_QUERY_TYPE_TIMESTAMP, queryCount=2)
    return device.vk.create("vkCreateQueryPool", "VkQueryPool", device.handle, info, device.vk.null)


def _descriptor_set(device: Device, arena: Arena, pool: CData, dispatch: Dispatch) -> CData:
    """An array of one descriptor set that binds the dispatch's buffers."""
    vk = device.vk
    layouts = arena.array("VkDescriptorSetLayout", [dispatch.pipeline.set_layout])
    info = arena.new("VkDescriptorSetAllocateInfo", descriptorPool=pool, descriptorSetCount=1, pSetLayouts=layouts)
    sets = arena.array("VkDescriptorSet", [vk.null])
    vk.call("vkAllocateDescriptorSets", device.handle, info, sets)
    writes: list[CData] = []
    for binding, buffer in enumerate(dispatch.buffers):
        bound = arena.new("VkDescriptorBufferInfo", buffer=buffer.handle, offset=0, range=vk.whole)
        writes.append(
            arena.new(
                "VkWriteDescriptorSet",
                dstSet=sets[0],
                dstBinding=binding,
                descriptorCount=1,
                descriptorType=vk.lib.VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                pBufferInfo=bound,
            )
        )
    array = arena.array("VkWriteDescriptorSet", writes)
    vk.lib.vkUpdateDescriptorSets(device.handle, len(writes), array, 0, vk.null)
    return sets
