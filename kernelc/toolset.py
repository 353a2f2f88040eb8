"""The tools of a build for one target: which are used, what they are, what one that is missing costs."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property

from kernelc.errors import ToolError
from kernelc.target import TargetSpec
from kernelc.toolchain import glslang, radv, spirv_val
from kernelc.toolchain.choice import Choice
from kernelc.toolchain.identity import Memo
from kernelc.toolchain.radv_driver import Driver


@dataclass(frozen=True)
class Toolset:
    """The tools chosen; each is loaded at its first use, in the process that uses it.

    `identities` (name -> what it is, as JSON values; None for one that is missing) goes into key and manifest, `flags`
    (name -> what it is told, as JSON values) into the key;
    `offline` is the driver of the target's offline compiler, or None; `notes` say what is not as it should be.
    """

    compiler: Choice
    validator: Choice
    offline: Driver | None
    identities: Mapping[str, object]
    flags: Mapping[str, object]
    notes: tuple[str, ...]

    @cached_property
    def loaded_compiler(self) -> glslang.Backend:
        return glslang.load(self.compiler)

    @cached_property
    def loaded_validator(self) -> spirv_val.Backend:
        return spirv_val.load(self.validator)

    @cached_property
    def loaded_offline(self) -> radv.Radv:
        """ToolError where there is none."""
        if self.offline is None:
            raise ToolError("; ".join(self.notes) or "this target has no offline compiler")
        return radv.Radv(self.offline)


def choose(target: TargetSpec, memo: Memo) -> Toolset:
    """The tools for a target. With a filled memo nothing is loaded and nothing run. ToolError where one is missing.

    The offline compiler may be missing: kernels are then validated and not compiled for the device, and the manifest
    says so.
    """
    compiler, validator = glslang.choose(memo), spirv_val.choose(memo)
    identities: dict[str, object] = {
        "glslang": asdict(compiler.identity(memo)),
        "spirv-val": asdict(validator.identity(memo)),
    }
    flags: dict[str, object] = {"glslang": glslang.flags(compiler), "spirv-val": spirv_val.flags(validator)}
    notes = list(dict.fromkeys(choice.note for choice in (compiler, validator) if choice.note))
    offline = None
    if target.offline_compiler is not None:
        try:
            offline = radv.choose(memo, target.offline_compiler.partition(":")[2])
        except ToolError as error:
            lost = (
                "no register counts, and spills are not checked"
                if target.spill_limit is not None
                else "no register counts"
            )
            notes.append(f"{error}: kernels are validated but not compiled for {target.name} ({lost})")
        identities["radv"] = None if offline is None else asdict(offline.identity(memo))
        if offline is not None:
            flags["radv"] = radv.FLAGS
    return Toolset(compiler, validator, offline, identities, flags, tuple(notes))
