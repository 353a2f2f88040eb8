"""The errors of the GPU layer."""

from kernelrt.errors import KernelrtError


class GpuError(KernelrtError):
    """A Vulkan device, call or argument that does not work: which one, and what it said. One line."""


class DeviceLostError(GpuError):
    """The device was lost while it worked: nothing that it computed since can be used, and the process must end."""
