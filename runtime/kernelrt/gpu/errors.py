"""The one error of the GPU layer."""

from kernelrt.errors import KernelrtError


class GpuError(KernelrtError):
    """A Vulkan device, call or argument that does not work: which one, and what it said. One line."""
