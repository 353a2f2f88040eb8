"""The Vulkan devices of this machine: what each is and has, and why it cannot run a bundle."""

from dataclasses import asdict, dataclass

from kernelrt.bundle import Bundle
from kernelrt.gpu.device import NULL_HARDWARE, Device, devices
from kernelrt.gpu.errors import GpuError
from kernelrt.gpu.features import DeviceInfo
from kernelrt.gpu.heaps import DeviceMemory
from kernelrt.kernels import UnfitDeviceError
from kernelrt.lanes import learn
from kernelrt.run_plan import Options, plan_run


@dataclass(frozen=True, slots=True)
class Found:
    """One device. `index` is its number for `--device`; `memory` is None where it could not be opened; `problem` says
    why it cannot run (the bundle, where one was asked about), "" where it can.
    """

    index: int
    info: DeviceInfo
    memory: DeviceMemory | None
    problem: str

    def describe(self) -> dict[str, object]:
        """All of it as plain JSON values; sizes in bytes."""
        memory = self.memory
        return {
            "index": self.index,
            **describe(self.info),
            "heaps": [asdict(heap) for heap in memory.heaps] if memory else [],
            "max_allocation": memory.max_block if memory else None,
            "can_run": not self.problem,
            "problem": self.problem,
        }


def describe(info: DeviceInfo) -> dict[str, object]:
    """A device as plain JSON values; sizes in bytes."""
    return {
        "name": info.name,
        "type": info.device_type,
        "driver": info.driver,
        "vulkan": ".".join(map(str, info.api)),
        "subgroup": info.subgroup,
        "shared_memory": info.shared_memory,
        "max_workgroup": info.max_workgroup,
        "max_storage_range": info.max_storage_range,
        "timestamps": info.timestamp_ns > 0,
        "features": sorted(info.features),
        "matrices": list(info.matrices),
    }


def survey(bundle: Bundle | None = None) -> tuple[Found, ...]:
    """Opens each device in turn; with `bundle` plans a run of one sequence at the bundle's full context there.

    Raises GpuError where there is no loader or no driver, BundleError where the bundle is at fault.
    """
    return tuple(_look(index, info, bundle) for index, info in enumerate(devices()))


def _look(index: int, info: DeviceInfo, bundle: Bundle | None) -> Found:
    if NULL_HARDWARE in info.name:
        return Found(index, info, None, "it compiles only: it has no hardware")
    memory = None
    try:
        with Device.open(str(index)) as device:
            memory = device.memory
            if bundle is not None:
                learn(device, bundle)
                plan_run(bundle, device.info, Options()).place(device)
    except (GpuError, UnfitDeviceError) as error:
        return Found(index, info, memory, str(error))
    return Found(index, info, memory, "")
