"""What a device learns of itself from a bundle, before a run is planned."""

from kernelrt.bundle import Bundle
from kernelrt.gpu.device import Device
from kernelrt.gpu.lanes import FEATURE, look
from kernelrt.kernels import lacking


def learn(device: Device, bundle: Bundle) -> None:
    """Runs the bundle's kernel coopmat_lanes where some of its kernels rely on an order of elements.

    A device that cannot run it, or has another order, is left to the forms that rely on none. Raises GpuError where the
    driver refuses the kernel.
    """
    relied = any(FEATURE in kernel.requires for kernel in bundle.kernels)
    for kernel in bundle.kernels if relied else ():
        if kernel.family == "coopmat_lanes" and not lacking(kernel, device.info):
            look(device, bundle.read(kernel), kernel.subgroup)
