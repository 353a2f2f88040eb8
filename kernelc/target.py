"""TargetSpec: what a device can do and hold, from a built-in name or a TOML file."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import cast

from kernelc.toolchain.radv_families import FAMILIES
from kernelrt.errors import InputError
from kernelrt.gpu.features import FEATURES
from kernelrt.specfile import (
    FieldError,
    builtin,
    check_keys,
    close,
    flag,
    integer,
    kind_of,
    name,
    number,
    printable,
    read_toml,
    shown,
    text,
)

_FOLDER = Path(__file__).resolve().parent / "targets"
_SUFFIXES = (".toml",)
_RATES = ("bandwidth_gbs", "fp32_tflops", "fp16_tflops", "int8_tops")
_SUBGROUPS = frozenset({0, 4, 8, 16, 32, 64, 128})
MAX_RANGE = 2**32 - 1  # maxStorageBufferRange is 32 bits wide

NPUS = ("npu1",)  # mlir-aie's names of the NPUs that kernels are planned for

_WORKGROUP = (1024, 8)  # eight lanes share a block in several kernels
_PRODUCTS = ("qkv", "o_proj", "ffn_gate_up", "ffn_down", "head")


def _tune_keys() -> dict[str, tuple[int, int]]:
    any_rows, edge = (1 << 22, 1), (512, 16)  # 16: the edge of a cooperative matrix
    found = {"prefill_rows": (1 << 15, 1), "attn_decode_workgroup": _WORKGROUP}
    found |= {"norm_workgroup": _WORKGROUP, "norm_workgroup_short": _WORKGROUP}
    # With 2^14 a step of 9 to 32 rows has fewer workgroups than a chain's counter tells apart (kernelrt.chain.STEP).
    found |= {"attn_split_keys": (1 << 17, 1), "attn_workgroups": (1 << 14, 1), "attn_unroll": (32, 1)}
    found |= {"attn_prefill_row_groups": (16, 1)}
    for product in _PRODUCTS:
        for batch in ("", "_b8"):
            found[f"{product}_workgroup{batch}"] = _WORKGROUP
            found[f"{product}_rows{batch}"] = (32, 1)
            found[f"{product}_rows_per_workgroup{batch}"] = any_rows
        found[f"{product}_depth"] = (32, 1)
        found[f"{product}_direct_bn"] = (512, 32)
        for rows in ("_short",) if product == "head" else ("", "_short"):
            found |= {f"{product}_coopmat_{side}{rows}": edge for side in ("bm", "bn", "m", "n")}
            if product == "ffn_gate_up":  # its two sums become one, and leave in blocks of 32
                found[f"{product}_coopmat_bn{rows}"] = (512, 32)
            else:
                found[f"{product}_coopmat_splits{rows}"] = found[f"{product}_direct_splits"] = (64, 1)
    return found


# Every size that the plan reads of a [tune] table, with the most that it may be and what it is a multiple of.
TUNE_KEYS: Mapping[str, tuple[int, int]] = MappingProxyType(_tune_keys())


def _no_tune() -> dict[str, int]:
    return {}


@dataclass(frozen=True, slots=True)
class TargetSpec:
    """A device as the plan sees it. Construction checks every field (FieldError, an InputError).

    `features` are of the runtime's vocabulary (kernelrt.gpu.features), as KernelSpec.requires are.
    `subgroup` is the size that pipelines are created with (0: any) and lies within min_subgroup..max_subgroup.
    `shared_memory` and `max_storage_range` are bytes, `max_workgroup` invocations. Rates are peaks that no
    measurement may exceed: GB/s (1e9 bytes), TFLOP/s, int8 TOP/s; 0: none is stated, and no roofline is drawn.
    `chains`: the device begins dispatches in their order, so that one may wait in its kernel for those before
    (kernelc.chain). `rolled`: loops that kernels unroll for a GPU stay loops, for a compiler that takes too long for
    them. `npu` is mlir-aie's name of the machine's NPU ("": it has none). `offline_compiler` names a compiler that
    makes the device's machine code without the device ("radv:<family>"); `spill_limit` is the most register spills
    that a build may show there (None: not a criterion). `tune` holds the sizes that the plan chooses by (TUNE_KEYS).
    """

    name: str
    title: str
    features: frozenset[str]
    subgroup: int
    min_subgroup: int
    max_subgroup: int
    shared_memory: int
    max_workgroup: int
    max_storage_range: int
    bandwidth_gbs: float
    fp32_tflops: float
    fp16_tflops: float
    int8_tops: float
    chains: bool = False
    rolled: bool = False
    npu: str = ""
    offline_compiler: str | None = None
    spill_limit: int | None = None
    tune: Mapping[str, int] = field(default_factory=_no_tune, hash=False)

    def __post_init__(self) -> None:
        name("name", self.name)
        text("title", self.title)
        object.__setattr__(self, "features", _features(self.features))
        for key in ("subgroup", "min_subgroup", "max_subgroup"):
            if integer(key, getattr(self, key), low=0) not in _SUBGROUPS:
                raise FieldError(key, f"must be a power of two from 4 to 128, or 0 for any, is {getattr(self, key)}")
        if self.min_subgroup > self.max_subgroup:
            raise FieldError("min_subgroup", f"{self.min_subgroup} is above max_subgroup {self.max_subgroup}")
        if self.subgroup and not self.min_subgroup <= self.subgroup <= self.max_subgroup:
            raise FieldError("subgroup", f"{self.subgroup} lies outside {self.min_subgroup}..{self.max_subgroup}")
        integer("shared_memory", self.shared_memory)
        integer("max_workgroup", self.max_workgroup)
        integer("max_storage_range", self.max_storage_range, high=MAX_RANGE)
        for key in _RATES:
            object.__setattr__(self, key, number(key, getattr(self, key), zero=True))
        if flag("chains", self.chains) and "memory_model" not in self.features:
            raise FieldError("chains", "needs memory_model among the features")
        flag("rolled", self.rolled)
        if self.npu != "":
            text("npu", self.npu, NPUS)
        if self.offline_compiler is not None:
            tool, _, family = text("offline_compiler", self.offline_compiler).partition(":")
            if tool != "radv" or family not in FAMILIES:
                known = ", ".join(FAMILIES)
                problem = f"expected radv:<family>, found {shown(self.offline_compiler)}{close(family, FAMILIES)}"
                raise FieldError("offline_compiler", f"{problem} (families: {known})")
        if self.spill_limit is not None:
            integer("spill_limit", self.spill_limit, low=0)
            if self.offline_compiler is None:
                raise FieldError("spill_limit", "needs an offline_compiler to count the spills")
        object.__setattr__(self, "tune", self._checked_tune())

    def _checked_tune(self) -> dict[str, int]:
        table = _table("tune", self.tune)
        for key in sorted(table):
            if key not in TUNE_KEYS:
                raise FieldError(f"tune.{printable(key)}", f"unknown key{close(key, TUNE_KEYS)}")
            most, multiple = TUNE_KEYS[key]
            if TUNE_KEYS[key] == _WORKGROUP:  # whole subgroups of what the target has
                most, multiple = min(most, self.max_workgroup), max(multiple, self.subgroup or 32)
            integer(f"tune.{key}", table[key], high=most, multiple=multiple)
        return {key: cast(int, table[key]) for key in sorted(table)}

    @property
    def pinned_subgroup(self) -> int:
        """The subgroup size that pipelines ask for; 0 where the device cannot be asked."""
        return self.subgroup if "subgroup_size_control" in self.features else 0

    def describe(self) -> dict[str, object]:
        """The fields as plain JSON values in a stable order, for a manifest."""
        return {**asdict(self), "features": sorted(self.features), "tune": dict(self.tune)}

    @classmethod
    def load(cls, name_or_path: str | Path) -> "TargetSpec":
        """A built-in name or a *.toml file. Raises InputError: one line that names the file and the field."""
        path = builtin("target", _FOLDER, str(name_or_path), _SUFFIXES)
        if path.suffix.lower() not in _SUFFIXES:
            raise InputError(f"{path}: not a target file; expected *.toml")
        table = read_toml(path)
        check_keys(cls, table, path)
        try:
            return cls(**table)  # pyright: ignore[reportArgumentType]  # __post_init__ checks every type at run time
        except FieldError as error:
            raise error.located(path) from None


def _features(value: object) -> frozenset[str]:
    if not isinstance(value, list | tuple | set | frozenset):
        raise FieldError("features", f"expected a list of names, found {kind_of(value)} ({shown(value)})")
    items = cast(Iterable[object], value)  # each is checked on the next line
    return frozenset(text("features", item, FEATURES) for item in items)


def _table(field: str, value: object) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise FieldError(field, f"expected a table of integers, found {kind_of(value)} ({shown(value)})")
    return cast(Mapping[str, object], value)
