"""Running pipelines: a recorded sequence of dispatches, once or many times, timed or not."""

from collections.abc import Sequence

from kernelrt.gpu.api import Arena, CData
from kernelrt.gpu.commands import Commands, Submission, barrier, dispatch_barrier
from kernelrt.gpu.descriptors import Descriptors, Dispatch
from kernelrt.gpu.device import NULL_HARDWARE, Device
from kernelrt.gpu.errors import GpuError
from kernelrt.gpu.hazards import waits
from kernelrt.gpu.memory import Buffer
from kernelrt.gpu.pipeline import Pipeline
from kernelrt.gpu.resource import Resource


class Recording(Resource):
    """A sequence of dispatches, recorded once, with barriers where one needs another's results (kernelrt.gpu.hazards);
    everything after it sees what they wrote.

    The buffers' contents are read when it runs, so that a small buffer of run-time scalars steers the same recording.
    Raises GpuError where a dispatch does not fit its pipeline or the device. With `timed`, runs give their time.
    """

    def __init__(self, device: Device, dispatches: Sequence[Dispatch], timed: bool = False) -> None:
        if NULL_HARDWARE in device.info.name:
            raise GpuError(f"{device.info.name} compiles only: it cannot run a kernel")
        if timed and not (device.timestamp_bits and device.info.timestamp_ns):
            raise GpuError(f"{device.info.name} has no timestamps for compute")
        self.dispatches = tuple(dispatches)
        self._check(device)
        self._checked = device.closings
        vk = device.vk
        self._queries = _query_pool(device) if timed else None
        self._ticks = vk.ffi.new("uint64_t[2]")
        super().__init__(device)
        self._descriptors = Descriptors(device, self.dispatches)
        self.commands = Commands(device, self._record)
        self._alone = Submission(device, [self.commands])

    def run(self) -> float | None:
        """Runs the sequence and waits. If timed, nanoseconds from the first dispatch's start to the last one's end."""
        self.start()
        return self.wait()

    def start(self) -> None:
        """Submits the sequence and returns at once."""
        self.must_be_usable()
        self._alone.start()

    def wait(self) -> float | None:
        """Waits for what `start` began; the time as `run` gives it."""
        self._alone.wait()
        return self.time()

    def must_be_usable(self) -> None:
        """Raises GpuError where it, or anything that it uses, was closed."""
        if self._checked != self.device.closings:
            self.must_be_open()
            self._check(self.device)
            self._checked = self.device.closings

    def time(self) -> float | None:
        """Nanoseconds that its last run took on the device, once it is done; None where it is not timed."""
        if self._queries is None:
            return None
        vk = self.device.vk
        flags = vk.lib.VK_QUERY_RESULT_64_BIT | vk.lib.VK_QUERY_RESULT_WAIT_BIT
        vk.call("vkGetQueryPoolResults", self.device.handle, self._queries, 0, 2, 16, self._ticks, 8, flags)
        # Only the valid bits count, and the counter may have wrapped between the two.
        passed = (int(self._ticks[1]) - int(self._ticks[0])) & ((1 << self.device.timestamp_bits) - 1)
        return passed * self.device.info.timestamp_ns

    def close(self) -> None:
        """Frees the recording; a second call does nothing."""
        self._alone.close()
        self.commands.close()
        self._descriptors.close()
        super().close()

    def _check(self, device: Device) -> None:
        for dispatch in self.dispatches:
            dispatch.check(device)

    def _record(self, command: CData) -> None:
        device, lib = self.device, self.device.vk.lib
        if self._queries is not None:
            lib.vkCmdResetQueryPool(command, self._queries, 0, 2)
            # Not before the compute work that was submitted earlier is over: that time is another recording's.
            lib.vkCmdWriteTimestamp(command, lib.VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, self._queries, 0)
        record_dispatches(command, self.dispatches, self._descriptors)
        barrier(device, command)
        if self._queries is not None:
            lib.vkCmdWriteTimestamp(command, lib.VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, self._queries, 1)

    def _destroy(self) -> None:
        if self._queries is not None:
            self.device.vk.lib.vkDestroyQueryPool(self.device.handle, self._queries, self.device.vk.null)


def record_dispatches(command: CData, dispatches: Sequence[Dispatch], descriptors: Descriptors) -> None:
    """Puts dispatches into a command buffer, with barriers where one needs another's results."""
    device, lib, null = descriptors.device, descriptors.device.vk.lib, descriptors.device.vk.null
    for dispatch, wait in zip(dispatches, waits(each.access for each in dispatches), strict=True):
        point, pipeline = lib.VK_PIPELINE_BIND_POINT_COMPUTE, dispatch.pipeline
        lib.vkCmdBindPipeline(command, point, pipeline.handle)
        lib.vkCmdBindDescriptorSets(command, point, pipeline.layout, 0, 1, descriptors.of(dispatch), 0, null)
        if wait:  # behind the bindings, which need not wait
            dispatch_barrier(device, command)
        lib.vkCmdDispatch(command, *dispatch.grid)


def run(
    device: Device, pipeline: Pipeline, buffers: Sequence[Buffer], grid: tuple[int, int, int], repeats: int = 1
) -> None:
    """Dispatches a pipeline `repeats` times, one after the other, and waits."""
    with Recording(device, [Dispatch(pipeline, tuple(buffers), grid)] * repeats) as recording:
        recording.run()


def _query_pool(device: Device) -> CData:
    info = Arena(device.vk).new("VkQueryPoolCreateInfo", queryType=device.vk.lib.VK_QUERY_TYPE_TIMESTAMP, queryCount=2)
    return device.vk.create("vkCreateQueryPool", "VkQueryPool", device.handle, info, device.vk.null)
