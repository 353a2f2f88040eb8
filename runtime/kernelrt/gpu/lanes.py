"""Which lane of a subgroup holds which elements of a cooperative matrix: no query tells it, but a kernel sees it."""

import numpy as np
from numpy.typing import NDArray

from kernelrt.gpu.device import Device
from kernelrt.gpu.memory import Buffer
from kernelrt.gpu.pipeline import Pipeline
from kernelrt.gpu.run import run

FEATURE = "coopmat_mma"
LANES, ELEMENTS = 32, 8  # of NVIDIA's mma.m16n8k16, two of which are a product of 16 x 16 x 16


def look(device: Device, spirv: bytes, subgroup: int) -> None:
    """Runs the kernel coopmat_lanes; the device has learned coopmat_mma where its order is that of mma.m16n8k16.

    `subgroup` is the size that its pipeline asks for, which the device must have. Raises GpuError where the driver
    refuses it.
    """
    with (
        Pipeline(device, spirv, 1, {0: LANES}, subgroup, name="coopmat_lanes") as pipeline,
        Buffer(device, 4 * 2 * LANES * ELEMENTS) as places,
    ):
        places.fill(0xFFFFFFFF)
        run(device, pipeline, (places,), (1, 1, 1))
        if is_mma(places.array(np.uint32)):
            device.learn(FEATURE)


def is_mma(places: NDArray[np.uint32]) -> bool:
    """Whether `places`, [2, 32, 8] side by side as coopmat_lanes writes them, are those of NVIDIA's mma.m16n8k16: of A
    and of B, lane l has the rows l / 4 and 8 more, in elements 0 to 3 and 4 to 7, each at k = l % 4 * 2 + (0, 1, 8, 9).
    """
    lane, element = np.divmod(np.arange(LANES * ELEMENTS), ELEMENTS)
    row = lane // 4 + element // 4 * 8
    k = lane % 4 * 2 + element % 2 + element // 2 % 2 * 8
    return np.array_equal(places, np.tile(16 * row + k, 2))
