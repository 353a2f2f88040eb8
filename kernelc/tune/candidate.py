"""One set of sizes of a group: its kernels as sources, then compiled as a build compiles them, or refused."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kernelc.action import Action, action
from kernelc.assemble import META, SPIRV
from kernelc.compile import compile_entry
from kernelc.kernel import KernelSpec
from kernelc.render import render
from kernelc.target import TargetSpec
from kernelc.toolset import Toolset
from kernelrt.jsonio import canonical, parse


@dataclass(frozen=True, slots=True)
class Candidate:
    """Sizes, and the actions that compile the group's kernels with them."""

    tune: Mapping[str, int]
    actions: tuple[Action, ...]

    @property
    def key(self) -> tuple[str, ...]:
        """What tells it from one that makes other kernels."""
        return tuple(act.key for act in self.actions)


@dataclass(frozen=True, slots=True)
class Compiled:
    """A kernel's module, and what the target's offline compiler said of it (as in a manifest)."""

    spec: KernelSpec
    spirv: bytes
    analysis: Mapping[str, object]


def candidate(tune: Mapping[str, int], kernels: Sequence[KernelSpec], target: TargetSpec, tools: Toolset) -> Candidate:
    """The candidate that makes these kernels."""
    actions = (action(spec, render(spec), target, tools.identities, tools.flags) for spec in kernels)
    return Candidate(dict(tune), tuple(actions))


def compiled(found: Candidate, target: TargetSpec, tools: Toolset) -> tuple[Compiled, ...]:
    """Its kernels through all checks of a build. CompileError where one fails: limits, or registers that spill."""
    made: list[Compiled] = []
    for act in found.actions:
        files = compile_entry(act, target, tools)
        meta = parse(files[META], act.spec.name).members()
        made.append(Compiled(act.spec, files[SPIRV], meta["analysis"].plain()))
    return tuple(made)


def batch_key(candidates: Sequence[Candidate]) -> str:
    """The SHA-256 of all that is compiled for these, in their order."""
    return hashlib.sha256(canonical([list(one.key) for one in candidates])).hexdigest()
