"""The action key: the SHA-256 of all that a compiled kernel depends on, and of nothing else.

No time, no host, no path and no order goes into it.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from kernelc.kernel import KernelSpec
from kernelc.npu.spec import NpuKernelSpec
from kernelc.target import TargetSpec
from kernelrt.jsonio import canonical

# Raised whenever kernelc itself would make another entry of the same inputs: another reflection, check or meta.json.
FORMAT = 2


@dataclass(frozen=True, slots=True)
class Action:
    """One kernel to compile: its source, the parts of its key by name, and the key."""

    spec: KernelSpec
    source: str
    parts: dict[str, str]
    key: str


@dataclass(frozen=True, slots=True)
class NpuAction:
    """One design for the NPU to verify and compile, with its key as a kernel's."""

    spec: NpuKernelSpec
    source: str
    device: str
    parts: dict[str, str]
    key: str


def action(
    spec: KernelSpec, source: str, target: TargetSpec, tools: Mapping[str, object], flags: Mapping[str, object]
) -> Action:
    """The action that compiles `source` for `target` with `tools` (name -> identity) that are given `flags` (tool ->
    what it is told), both as JSON values."""
    environment = {
        "bindings": [asdict(binding) for binding in spec.bindings],
        "constants": [asdict(constant) for constant in spec.constants],
        "workgroup": spec.workgroup,
        "subgroup": spec.subgroup,
        "requires": sorted(spec.requires),
        "offline compiler": target.offline_compiler,
        "spill limit": target.spill_limit,
        "shared memory": target.shared_memory,
        "largest workgroup": target.max_workgroup,
    }
    return Action(spec, source, *_keyed(source, tools, flags, environment))


def npu_action(
    spec: NpuKernelSpec, source: str, device: str, tools: Mapping[str, object], flags: Mapping[str, object]
) -> NpuAction:
    """The action that verifies and compiles the design `source` for `device`, as `action` does."""
    arguments = [asdict(argument) for argument in spec.arguments]
    environment = {"arguments": arguments, "sequences": spec.sequences, "device": device}
    return NpuAction(spec, source, device, *_keyed(source, tools, flags, environment))


def _keyed(
    source: str, tools: Mapping[str, object], flags: Mapping[str, object], environment: Mapping[str, object]
) -> tuple[dict[str, str], str]:
    """The parts of a key, and the key."""
    parts = {"format": str(FORMAT), "source": hashlib.sha256(source.encode()).hexdigest()}
    parts |= {f"tool {name}": canonical(identity).decode() for name, identity in tools.items()}
    parts |= {f"flags {name}": canonical(told).decode() for name, told in flags.items()}
    parts |= {f"environment: {name}": canonical(value).decode() for name, value in environment.items()}
    return parts, hashlib.sha256(canonical(parts)).hexdigest()
