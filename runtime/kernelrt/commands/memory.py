"""A run's memory, as JSON values and as a table: what for, how much, in which heap."""

from dataclasses import dataclass

from kernelrt.gpu.heaps import DeviceMemory
from kernelrt.gpu.placement import Placement, usable


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """Where the buffers of a run go on a device; sizes in bytes. `npu`: what it shares with an NPU beside them, in the
    host's memory.
    """

    placement: Placement
    memory: DeviceMemory
    npu: int = 0

    def heap_of(self, memory_type: int) -> int:
        return self.memory.types[memory_type].heap

    @property
    def categories(self) -> dict[tuple[str, int], int]:
        """Bytes by category and heap, in the order in which memory is given away."""
        found: dict[tuple[str, int], int] = {}
        for place in self.placement.places:
            key = (place.item.category, self.heap_of(place.memory_type))
            found[key] = found.get(key, 0) + place.item.nbytes
        return found

    @property
    def taken(self) -> dict[int, int]:
        """Bytes of the allocations in each heap, alignment counted."""
        found = dict.fromkeys(range(len(self.memory.heaps)), 0)
        for memory_type, nbytes in self.placement.blocks:
            found[self.heap_of(memory_type)] += nbytes
        return found

    def describe(self) -> dict[str, object]:
        """Every buffer, and each heap's budget, as plain JSON values."""
        return {
            "total": sum(self.taken.values()),
            "npu": self.npu,
            "categories": [
                {"category": category, "heap": heap, "nbytes": nbytes}
                for (category, heap), nbytes in self.categories.items()
            ],
            "heaps": [
                {
                    "heap": number,
                    "device_local": heap.device_local,
                    "size": heap.nbytes,
                    "free": heap.free,
                    "usable": usable(self.memory, number),
                    "taken": self.taken[number],
                }
                for number, heap in enumerate(self.memory.heaps)
            ],
            "allocations": len(self.placement.blocks),
            "buffers": [
                {
                    "name": place.item.name,
                    "category": place.item.category,
                    "nbytes": place.item.nbytes,
                    "heap": self.heap_of(place.memory_type),
                }
                for place in self.placement.places
            ],
        }

    @property
    def text(self) -> str:
        from rich.filesize import decimal

        from kernelrt.console.output import table

        rows = [("for", "heap", "bytes", "")]
        rows += [
            (category, str(heap), str(nbytes), decimal(nbytes)) for (category, heap), nbytes in self.categories.items()
        ]
        rows.append(("all allocations", "", str(sum(self.taken.values())), decimal(sum(self.taken.values()))))
        budgets = [
            f"heap {number} of the {'device' if heap.device_local else 'host'}: {decimal(self.taken[number])} of "
            f"{decimal(usable(self.memory, number))} usable ({decimal(heap.free)} free of {decimal(heap.nbytes)})"
            for number, heap in enumerate(self.memory.heaps)
        ]
        npu = [f"shared with the NPU, in the host's memory: {decimal(self.npu)}"] if self.npu else []
        return "\n".join([table(rows, right=(1, 2, 3)), *budgets, *npu])
