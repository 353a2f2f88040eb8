"""What lives on a device: closed by hand, by `with`, or with the device."""

from abc import ABC, abstractmethod
from typing import TypeVar

from kernelrt.gpu.device import Device
from kernelrt.gpu.errors import GpuError

R = TypeVar("R", bound="Resource")


class Resource(ABC):
    """A thing on a device that must be destroyed before it. The work that uses it must be done by then."""

    def __init__(self, device: Device) -> None:
        self.device = device
        device.owns(id(self), self._destroy)

    @abstractmethod
    def _destroy(self) -> None:
        """Destroys the Vulkan handles; called once."""

    def must_be_open(self) -> None:
        """Raises GpuError where it, or its device, was closed."""
        if not self.device.has(id(self)):
            raise GpuError(f"this {type(self).__name__} is closed")

    def close(self) -> None:
        """Frees it; a second call does nothing."""
        if self.device.disown(id(self)):
            self._destroy()

    def __enter__(self: R) -> R:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
