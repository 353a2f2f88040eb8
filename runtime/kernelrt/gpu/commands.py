"""Command buffers: recorded once, submitted as often as wanted."""

from collections.abc import Callable

from kernelrt.gpu.api import Arena, CData
from kernelrt.gpu.device import Device
from kernelrt.gpu.resource import Resource


class Commands(Resource):
    """One recorded command buffer with its fence. `record` is called once with the handle between begin and end."""

    def __init__(self, device: Device, record: Callable[[CData], None]) -> None:
        vk, arena = device.vk, Arena(device.vk)
        allocate = arena.new(
            "VkCommandBufferAllocateInfo",
            commandPool=device.command_pool,
            level=vk.lib.VK_COMMAND_BUFFER_LEVEL_PRIMARY,
            commandBufferCount=1,
        )
        self._buffers = vk.ffi.new("VkCommandBuffer[1]")
        vk.call("vkAllocateCommandBuffers", device.handle, allocate, self._buffers)
        self._fence = vk.create("vkCreateFence", "VkFence", device.handle, arena.new("VkFenceCreateInfo"), vk.null)
        super().__init__(device)
        self._arena = Arena(vk)
        self._submit = self._arena.new("VkSubmitInfo", commandBufferCount=1, pCommandBuffers=self._buffers)
        handle = self._buffers[0]
        vk.call("vkBeginCommandBuffer", handle, arena.new("VkCommandBufferBeginInfo"))
        record(handle)
        vk.call("vkEndCommandBuffer", handle)

    def submit(self) -> None:
        """Runs the commands and waits until they are done. Raises GpuError where the device is lost."""
        vk, device = self.device.vk, self.device
        vk.call("vkQueueSubmit", device.queue, 1, self._submit, self._fence)
        fences = [self._fence]
        vk.call("vkWaitForFences", device.handle, 1, fences, 1, 2**64 - 1)
        vk.call("vkResetFences", device.handle, 1, fences)

    def _destroy(self) -> None:
        vk, device = self.device.vk, self.device
        vk.lib.vkDestroyFence(device.handle, self._fence, vk.null)
        vk.lib.vkFreeCommandBuffers(device.handle, device.command_pool, 1, self._buffers)


def barrier(device: Device, command: CData) -> None:
    """Everything recorded before (compute, transfer) is seen by everything after it, the host's reads included."""
    lib, arena = device.vk.lib, Arena(device.vk)
    memory = arena.new(
        "VkMemoryBarrier",
        srcAccessMask=lib.VK_ACCESS_SHADER_WRITE_BIT | lib.VK_ACCESS_TRANSFER_WRITE_BIT,
        dstAccessMask=lib.VK_ACCESS_SHADER_READ_BIT
        | lib.VK_ACCESS_SHADER_WRITE_BIT
        | lib.VK_ACCESS_TRANSFER_READ_BIT
        | lib.VK_ACCESS_TRANSFER_WRITE_BIT
        | lib.VK_ACCESS_HOST_READ_BIT,
    )
    work = lib.VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | lib.VK_PIPELINE_STAGE_TRANSFER_BIT
    null = device.vk.null
    after = work | lib.VK_PIPELINE_STAGE_HOST_BIT
    lib.vkCmdPipelineBarrier(command, work, after, 0, 1, memory, 0, null, 0, null)


def copy_buffer(device: Device, source: CData, start: int, target: CData, offset: int, nbytes: int) -> None:
    """Copies bytes between two buffers and waits."""
    region = Arena(device.vk).new("VkBufferCopy", srcOffset=start, dstOffset=offset, size=nbytes)

    def record(command: CData) -> None:
        device.vk.lib.vkCmdCopyBuffer(command, source, target, 1, region)
        barrier(device, command)

    with Commands(device, record) as commands:
        commands.submit()


def fill_buffer(device: Device, target: CData, word: int) -> None:
    """Sets every 32-bit word of a buffer and waits."""

    def record(command: CData) -> None:
        device.vk.lib.vkCmdFillBuffer(command, target, 0, device.vk.whole, word)
        barrier(device, command)

    with Commands(device, record) as commands:
        commands.submit()
