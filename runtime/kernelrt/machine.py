"""Calls on a device: pipelines and buffers by name, and recordings of calls."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from kernelrt.abi import KernelEntry, specialization
from kernelrt.bundle import Bundle
from kernelrt.calls import Call
from kernelrt.gpu.descriptors import Dispatch
from kernelrt.gpu.device import Device
from kernelrt.gpu.memory import Buffer
from kernelrt.gpu.pipeline import Pipeline
from kernelrt.gpu.run import Recording
from kernelrt.threads import pool

Progress = Callable[[str, int, int], None]  # what is done, how much of it, of how much


class Machine:
    """The kernels of a bundle on a device, with the buffers of a run. Everything is freed with the device."""

    def __init__(self, device: Device, bundle: Bundle, buffers: Mapping[str, Buffer]) -> None:
        self.device = device
        self.buffers = buffers
        self._bundle = bundle
        self._pipelines: dict[str, Pipeline] = {}

    def compile(self, kernels: Iterable[KernelEntry], progress: Progress) -> None:
        """Makes the pipelines, several at a time: the driver compiles each kernel, unless it remembers it."""
        wanted = {kernel.name: kernel for kernel in kernels}
        progress("kernels", 0, len(wanted))
        with pool("kernels") as workers:
            for done, _ in enumerate(workers.map(self.pipeline, wanted.values()), 1):
                progress("kernels", done, len(wanted))

    def pipeline(self, kernel: KernelEntry) -> Pipeline:
        """The pipeline of a kernel."""
        if kernel.name not in self._pipelines:
            self._pipelines[kernel.name] = Pipeline(
                self.device,
                self._bundle.read(kernel),
                len(kernel.bindings),
                specialization(kernel.workgroup, kernel.constants),
                kernel.subgroup,
                name=kernel.name,
            )
        return self._pipelines[kernel.name]

    def record(self, calls: Sequence[Call]) -> Recording:
        """The calls as one recording, timed where the device can."""
        timed = bool(self.device.timestamp_bits and self.device.info.timestamp_ns)
        dispatches = [
            Dispatch(
                self.pipeline(call.kernel),
                tuple(self.buffers[name] for name in call.buffers),
                call.grid,
                tuple(binding.access != "r" for binding in call.kernel.bindings),
                call.follows,
            )
            for call in calls
        ]
        return Recording(self.device, dispatches, timed)
