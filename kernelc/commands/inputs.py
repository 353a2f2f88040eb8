"""From the words on the command line to specs and a plan."""

import difflib
import fnmatch
import re
import shlex
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from kernelc.buckets import Buckets, check_formats, check_sizes
from kernelc.commands.places import named
from kernelc.kernel import KernelSpec
from kernelc.npu import wanted
from kernelc.npu.request import NpuRequest
from kernelc.npu.spec import NpuKernelSpec
from kernelc.npu.tools import NpuMode
from kernelc.obtain import Request
from kernelc.plan import plan
from kernelc.store import Store, default_root
from kernelc.target import TargetSpec
from kernelc.toolchain.identity import Memo
from kernelc.toolset import Toolset, choose
from kernelc.tune.result import Tuning, beside
from kernelrt.errors import InputError
from kernelrt.model import ModelSpec
from kernelrt.specfile import shown


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the user asked for, and the plan that follows."""

    model: ModelSpec
    target: TargetSpec
    buckets: Buckets
    kernels: tuple[KernelSpec, ...]
    npu_kernels: tuple[NpuKernelSpec, ...] = ()
    npu: NpuMode = "auto"

    def request(self, tools: Toolset, npu: NpuRequest | None = None) -> Request:
        return Request(self.kernels, self.model.describe(), self.target, asdict(self.buckets), tools, npu=npu)

    def kernel(self, name: str) -> KernelSpec | NpuKernelSpec:
        """The kernel of that name, for the GPU or the NPU. InputError with the close ones."""
        by_name = {spec.name: spec for spec in (*self.kernels, *self.npu_kernels)}
        if name in by_name:
            return by_name[name]
        close = difflib.get_close_matches(name, by_name, n=3)
        hint = f"; did you mean {' or '.join(close)}?" if close else ";"
        words = [
            "kernelc",
            "plan",
            "--model",
            self.model.name,
            "--target",
            self.target.name,
            "--quant",
            self.buckets.quant,
        ]
        if self.buckets.embedding != self.buckets.quant:
            words += ["--embedding-quant", self.buckets.embedding]
        if self.npu != "auto":
            words += ["--npu", self.npu]
        more = "" if self.npu_kernels else ", and with --npu sim those for the NPU too"
        raise InputError(f"no kernel {name!r} in this plan{hint} `{shlex.join(words)}` lists them{more}")

    def only(self, name: str) -> "Inputs":
        """The same with that kernel alone. InputError as of `kernel`."""
        spec = self.kernel(name)
        if isinstance(spec, KernelSpec):
            return replace(self, kernels=(spec,), npu_kernels=())
        return replace(self, kernels=(), npu_kernels=(spec,))

    def matching(self, pattern: str) -> "Inputs":
        """The same with the kernels whose names match a shell pattern. InputError where none does."""
        kernels = tuple(spec for spec in self.kernels if fnmatch.fnmatchcase(spec.name, pattern))
        npu_kernels = tuple(spec for spec in self.npu_kernels if fnmatch.fnmatchcase(spec.name, pattern))
        if not kernels and not npu_kernels:
            raise InputError(f"--only {pattern}: no kernel of this plan matches; `kernelc plan` lists them")
        return replace(self, kernels=kernels, npu_kernels=npu_kernels)


def inputs(
    model: str,
    target: str,
    quant: str,
    seq: str,
    batch: str,
    embedding: str | None = None,
    npu: NpuMode = "off",
    tuning: str | None = None,
) -> Inputs:
    """`embedding` None: the format `quant`; `tuning` as `tuned`. InputError for what is wrong or unknown."""
    model_spec = ModelSpec.load(model)
    buckets = buckets_of(quant, seq, batch, embedding)
    target_spec = tuned(model_spec, target, buckets, tuning)
    npu_kernels = wanted.planned(model_spec, target_spec, buckets, npu)
    # The GPU has kernels on either side of the NPU's, where there are these.
    target_spec = replace(target_spec, npu=wanted.device_of(target_spec, npu))
    return Inputs(model_spec, target_spec, buckets, plan(model_spec, target_spec, buckets), npu_kernels, npu)


def buckets_of(quant: str, seq: str, batch: str, embedding: str | None) -> Buckets:
    """`embedding` None: the format `quant`. InputError for what is wrong or unknown."""
    check_formats(quant, quant if embedding is None else embedding)
    return Buckets(sizes("--seq", seq), sizes("--batch", batch), quant, embedding or quant)


def tuned(model: ModelSpec, target: str, buckets: Buckets, tuning: str | None) -> TargetSpec:
    """The target with the sizes of a file of `kernelc tune` ("none": without), or of the one beside it. InputError."""
    spec = TargetSpec.load(target)
    if tuning == "none":
        return spec
    path = named("--tuning", tuning)
    if path is None and (path := beside(target, model, spec, buckets)) is not None:
        print(f"note: with the sizes in {path}; --tuning none takes the target's own", file=sys.stderr)
    return spec if path is None else Tuning.read(path).applied(path, model, spec, buckets)


def open_store(path: Path | None) -> Store:
    """The store at `path`, or the default one. StoreError."""
    return Store(path or default_root())


def choose_tools(target: TargetSpec, store: Store) -> Toolset:
    """The tools, by what the store remembers of them. The caller holds `store.in_use()`."""
    memo = Memo(store.tools / "identities.json")
    tools = choose(target, memo)
    if store.writable:
        memo.save()
    return tools


def choose_npu(found: Inputs, mode: NpuMode, store: Store) -> NpuRequest | None:
    """What to build for the NPU, as `choose_tools`. ToolError where a tool is missing that `mode` needs."""
    memo = Memo(store.tools / "identities.json")
    request = wanted.request(found.npu_kernels, found.target, mode, memo)
    if store.writable:
        memo.save()
    return request


def sizes(option: Literal["--seq", "--batch"], text: str) -> tuple[int, ...]:
    """Numbers with commas between, within the range of the option. InputError."""
    words = text.split(",")
    # int() would take other scripts' digits, underscores, signs and spaces.
    if not all(re.fullmatch(r"[0-9]{1,18}", word) for word in words):
        raise InputError(f"{option}: expected numbers with commas between, got {shown(text)}")
    found = tuple(int(word) for word in words)
    check_sizes(option, found)
    return found
