"""Finding the kernels of a bundle: by family and tags, among those that a device can run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kernelrt.abi import KernelEntry, Value
from kernelrt.errors import KernelrtError, MissingKernelError
from kernelrt.gpu.features import DeviceInfo

LANES = 8  # of a subgroup, at the least: so many share a key or a block of weights in several kernels


class UnfitDeviceError(KernelrtError):
    """The device lacks what every kernel for some work needs."""


@dataclass(frozen=True, slots=True)
class Kernels:
    """The kernels of a bundle as one device sees them."""

    entries: tuple[KernelEntry, ...]
    device: DeviceInfo

    def find(self, family: str, **properties: Value) -> KernelEntry:
        """The first kernel of the family with these properties (a tag, or else a parameter) that the device can run.

        Raises MissingKernelError where the bundle has none, UnfitDeviceError where the device can run none.
        """
        return self.first(family, [properties])

    def first(self, family: str, wishes: Sequence[Mapping[str, Value]]) -> KernelEntry:
        """As `find`, of several sets of properties, the best first."""
        found = [entry for wish in wishes for entry in self.all(family) if _has(entry, wish)]
        if not found:
            wish = ", ".join(f"{key} {value}" for key, value in wishes[0].items())
            raise MissingKernelError(f"the bundle has no kernel {family} {wish}".rstrip() + "; build it again")
        lacks = [lacking(entry, self.device) for entry in found]
        for entry, lack in zip(found, lacks, strict=True):
            if not lack:
                return entry
        # The last is the one that asks for the least.
        raise UnfitDeviceError(
            f"{self.device.name} cannot run this bundle: {found[-1].name} needs {'; '.join(lacks[-1])}"
        )

    def all(self, family: str) -> tuple[KernelEntry, ...]:
        """Every kernel of a family, in the bundle's order."""
        return tuple(entry for entry in self.entries if entry.family == family)


def _has(entry: KernelEntry, properties: Mapping[str, Value]) -> bool:
    return all(entry.tags.get(key, entry.params.get(key)) == value for key, value in properties.items())


def lacking(entry: KernelEntry, device: DeviceInfo) -> list[str]:
    """What a kernel needs and the device lacks, in words; nothing where it can run."""
    lacks = [f"the feature {name}" for name in entry.requires if name not in device.features]
    size, least, most = entry.subgroup, device.min_subgroup, device.max_subgroup
    if size and not least <= size <= most:
        lacks.append(f"subgroups of {size} (it has {least}{f' to {most}' if most != least else ''})")
    elif size and least != most and "subgroup_size_control" not in device.features:
        lacks.append(f"subgroups of {size} (it cannot choose their size)")
    elif not size and least < LANES:
        lacks.append(f"subgroups of {LANES} or more (it has {least})")
    if entry.workgroup > device.max_workgroup:
        lacks.append(f"workgroups of {entry.workgroup} (it has at most {device.max_workgroup})")
    if entry.shared_memory > device.shared_memory:
        lacks.append(f"{entry.shared_memory} bytes of shared memory (it has {device.shared_memory})")
    return lacks
