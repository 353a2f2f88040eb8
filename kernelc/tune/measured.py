"""Judges kernels by running them on a Vulkan device."""

from collections.abc import Callable, Sequence

from kernelc.kernel import KernelSpec
from kernelc.kernels import coopmat_lanes
from kernelc.measure import Bench, Trial, compete
from kernelc.render import render
from kernelc.toolchain import glslang
from kernelc.tune.candidate import Compiled
from kernelrt.gpu.device import Device
from kernelrt.gpu.errors import DeviceLostError, GpuError
from kernelrt.gpu.lanes import FEATURE, LANES, look


class Measured:
    """A Judge (kernelc.tune.search) on an open device; buffers stay for a whole group."""

    margin = 0.99  # two runs of the same kernel differ by as much

    def __init__(self, device: Device) -> None:
        self._bench = Bench(device)

    def times(
        self, contenders: Sequence[Sequence[Compiled]], check: Callable[[], None]
    ) -> list[dict[str, float] | GpuError]:
        """As Judge.times."""
        try:
            able: dict[int, list[Trial]] = {}
            refused: dict[int, GpuError] = {}
            for i, contender in enumerate(contenders):
                check()
                try:
                    able[i] = [self._bench.trial(kernel.spec, kernel.spirv) for kernel in contender]
                except DeviceLostError:
                    raise
                except GpuError as e:
                    refused[i] = e
            found = dict(zip(able, compete(list(able.values()), check=check), strict=True)) if able else {}
        finally:
            self._bench.clear()
        return [
            refused[i]
            if i in refused
            else {kernel.spec.name: ns / 1000 for kernel, ns in zip(contender, found[i], strict=True)}
            for i, contender in enumerate(contenders)
        ]

    def leave(self) -> None:
        """Frees the buffers."""
        self._bench.close()


def check_device(device: Device, kernels: Sequence[KernelSpec]) -> None:
    """Raises GpuError where the device cannot run kernels of the plan."""
    _learn(device, kernels)
    info = device.info
    needed = {feature for spec in kernels for feature in spec.requires}
    missing = sorted(needed - info.features)
    sizes = sorted(
        {s.subgroup for s in kernels if s.subgroup and not info.min_subgroup <= s.subgroup <= info.max_subgroup}
    )
    lacks = [*missing, *(f"subgroups of {size}" for size in sizes)]
    if lacks:
        raise GpuError(
            f"{info.name} cannot run these kernels: it has no {', '.join(lacks)}; "
            "choose another with --device, or --offline for a target with an offline compiler"
        )


def _learn(device: Device, kernels: Sequence[KernelSpec]) -> None:
    """Lets a device see what no query tells (kernelrt.gpu.lanes), where kernels rely on it."""
    spec = coopmat_lanes.spec(subgroup=LANES)
    able = device.info.features.issuperset(spec.requires)
    able = able and device.info.min_subgroup <= LANES <= device.info.max_subgroup
    if able and any(FEATURE in kernel.requires for kernel in kernels):
        look(device, glslang.compile(render(spec), spec.name), spec.subgroup)
