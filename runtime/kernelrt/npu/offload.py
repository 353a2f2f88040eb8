"""The NPU's part of a run, with its memory as the GPU sees it."""

from kernelrt.gpu.device import Device
from kernelrt.gpu.imported import Imported
from kernelrt.gpu.memory import Buffer
from kernelrt.npu.decode import Decode
from kernelrt.npu.prefill import Prefill
from kernelrt.npu.run import Buffer as Shared
from kernelrt.npu.run import Npu


class Offload:
    """An NPU and what it computes, prompts' attention, that of decode steps, or both.

    `buffers` are the GPU's, by name: they lie in the NPU's memory, which begins zeroed, for the NPU may read a key that
    no one wrote and multiplies it by zero.
    """

    def __init__(self, npu: Npu, device: Device, prefill: Prefill | None, decode: Decode | None) -> None:
        """Raises GpuError where the device cannot use the NPU's memory."""
        self.npu = npu
        self.prefill = prefill
        self.decode = decode
        self._shared: dict[str, Shared] = {}
        for part in (prefill, decode):
            self._shared |= part.shared if part is not None else {}
        self.buffers = {name: _imported(device, shared) for name, shared in self._shared.items()}

    @property
    def name(self) -> str:
        """The NPU's, with the evidence of what is done on it."""
        return f"{self.npu.name}, {self.npu.level}"

    def shared(self) -> list[tuple[str, Buffer, int]]:
        """The name, the GPU's buffer and the NPU's address of each piece of memory that both use."""
        return [(name, self.buffers[name], shared.address) for name, shared in self._shared.items()]


def _imported(device: Device, shared: Shared) -> Buffer:
    return Buffer(device, shared.nbytes, at=(Imported(device, shared.address, shared.nbytes), 0))
