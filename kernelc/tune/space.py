"""What is searched: the sizes of the [tune] table that matter to a plan, grouped by the kernels that they shape.

Generic over TUNE_KEYS: a size that no kernel of this plan reads changes none, and is left out.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from kernelc.buckets import Buckets
from kernelc.kernel import KernelSpec
from kernelc.plan import plan
from kernelc.target import TUNE_KEYS, TargetSpec
from kernelrt.errors import InputError
from kernelrt.model import ModelSpec

_LEFT_OUT = ("prefill_rows",)  # how much a dispatch computes: other times for other work are not better or worse
_TRIED = 4  # values of a size, to see whether a plan reads it
_POWERS = tuple(1 << i for i in range(24))
_THREADS = (64, 128, 256, 512, 768, 1024)
_EDGES = (16, 32, 64, 96, 128, 192, 256)
_PARTS = (1, 2, 3, 4, 6, 8, 12, 16)
# The values that are tried first, by what a key's name has in it; the first one that fits counts.
_LADDERS: tuple[tuple[str, tuple[int, ...]], ...] = (
    ("rows_per_workgroup", (4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 512, 1024, 2048)),
    ("attn_workgroups", (64, 128, 256, 512, 1024, 2048)),
    ("workgroup", _THREADS),
    ("split_keys", (32, 64, 128, 256, 512)),
    ("row_groups", (1, 2, 4, 8)),
    ("splits", _PARTS),
    ("depth", (1, 2, 3, 4, 6, 8)),
    ("unroll", (1, 2, 4, 8)),
    ("coopmat_b", _EDGES),
    ("direct_bn", _EDGES[1:]),
    ("coopmat_", _EDGES[:3]),
    ("rows", (1, 2, 4)),
)


@dataclass(frozen=True, slots=True)
class Group:
    """Sizes that shape the same kernels, so that they are searched together; `kernels` in plan order.

    Of kernels of a family that do the same work (attention with its results in another layout) there is one.
    """

    keys: tuple[str, ...]
    kernels: tuple[KernelSpec, ...]

    @property
    def families(self) -> frozenset[str]:
        return frozenset(spec.family for spec in self.kernels)

    @property
    def name(self) -> str:
        return self.kernels[0].name + (f" and {len(self.kernels) - 1} more" if len(self.kernels) > 1 else "")


@dataclass(frozen=True, slots=True)
class Space:
    """A model on a target at some sizes."""

    model: ModelSpec
    target: TargetSpec
    buckets: Buckets

    def tuned(self, sizes: Mapping[str, int]) -> dict[str, KernelSpec]:
        """The plan with these sizes in place of the target's, by name. InputError where they cannot be."""
        target = replace(self.target, tune={**self.target.tune, **sizes})
        return {spec.name: spec for spec in plan(self.model, target, self.buckets)}

    def kernels(self, group: Group, sizes: Mapping[str, int]) -> tuple[KernelSpec, ...]:
        """The group's kernels with these sizes. InputError where they cannot be, or make other forms of kernels."""
        found = self.tuned(sizes)
        if any(spec.name not in found or found[spec.name].tags != spec.tags for spec in group.kernels):
            raise InputError(f"target {self.target.name}: these sizes leave the product to another form")
        return tuple(found[spec.name] for spec in group.kernels)

    def groups(self) -> tuple[Group, ...]:
        """Those of one row first (they are what a token waits for), and in these those that read the most."""
        base = self.tuned({})
        found: list[tuple[list[str], set[str]]] = []
        for key in TUNE_KEYS:
            if key in _LEFT_OUT:
                continue
            if touched := self._touched(base, key):
                same = [entry for entry in found if entry[1] & touched]
                merged = ([*(k for entry in same for k in entry[0]), key], touched.union(*(e[1] for e in same)))
                found = [*(entry for entry in found if entry not in same), merged]
        groups = [Group(tuple(keys), _distinct([s for s in base.values() if s.name in names])) for keys, names in found]
        return tuple(sorted(groups, key=lambda g: (g.kernels[0].work.rows, -sum(s.work.bytes_read for s in g.kernels))))

    def _touched(self, base: Mapping[str, KernelSpec], key: str) -> set[str]:
        """The kernels that a size shapes."""
        values = list(ladder(self.target, key))
        middle = values[len(values) // 2 :] + values[: len(values) // 2][::-1]
        for value in middle[:_TRIED]:  # from the middle, where sizes fit each other best
            try:
                other = self.tuned({key: value})
            except InputError:
                continue
            changed = {name for name, spec in other.items() if name in base and spec != base[name]}
            if changed and all(name in other and other[name].tags == base[name].tags for name in changed):
                return changed
        return set()


def ladder(target: TargetSpec, key: str, around: int = 0) -> Iterator[int]:
    """Values to try for a size, rising, as far as it may have them; those near `around` too, where it is given."""
    most, multiple = TUNE_KEYS[key]
    values = set(next((values for part, values in _LADDERS if part in key), _POWERS))
    if around:
        values |= {around * eighths // 8 for eighths in (6, 7, 9, 10)} | {around - 1, around + 1}
    if "workgroup" in key and multiple > 1:
        most, multiple = min(most, target.max_workgroup), max(multiple, target.subgroup or 32)
    return (value for value in sorted(values) if 1 <= value <= most and value % multiple == 0)


def _distinct(specs: Sequence[KernelSpec]) -> tuple[KernelSpec, ...]:
    """The first of those that do the same work."""
    return tuple({(s.family, s.work.rows, s.work.flops): s for s in reversed(specs)}.values())[::-1]
