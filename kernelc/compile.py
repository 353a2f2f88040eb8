"""One kernel's way through the tools: GLSL to SPIR-V, validated, its ABI compared, compiled for the target's ISA."""

from dataclasses import asdict

from kernelc.action import Action
from kernelc.assemble import META, SOURCE, SPIRV
from kernelc.kernel import KernelSpec
from kernelc.target import TargetSpec
from kernelc.toolchain import glslang, spirv_val
from kernelc.toolchain.abi import check_abi, check_features, check_limits
from kernelc.toolchain.errors import CompileError
from kernelc.toolchain.isa import Isa, IsaStats
from kernelc.toolset import Toolset
from kernelrt.abi import specialization
from kernelrt.jsonio import canonical


def compile_entry(act: Action, target: TargetSpec, tools: Toolset) -> dict[str, bytes]:
    """The files of a store entry. Raises CompileError for what is wrong with the kernel, ToolError for the tools.

    `meta.json` and `source.comp` are for reports; a bundle takes `kernel.spv`, and the analysis into its manifest.
    """
    spec = act.spec
    spirv = to_spirv(spec, act.source, tools)
    spirv_val.validate(spirv, spec.name, tools.loaded_validator)
    found = check_abi(spec, spirv)
    check_features(spec, found)
    check_limits(spec, found, target.shared_memory, target.max_workgroup)
    analysis, evidence = _analysis(spec, spirv, target, tools)
    meta = canonical({"analysis": analysis, "evidence": evidence, "shared_memory": found.shared_bytes})
    return {SPIRV: spirv, META: meta, SOURCE: act.source.encode()}


def to_spirv(spec: KernelSpec, source: str, tools: Toolset) -> bytes:
    """The kernel's module, not validated. CompileError, ToolError."""
    return glslang.compile(source, spec.name, tools.loaded_compiler)


def to_isa(spec: KernelSpec, spirv: bytes, tools: Toolset) -> Isa:
    """The kernel's machine code with its specialization constants at their values. CompileError, ToolError."""
    constants = specialization(spec.workgroup, spec.constants)
    return tools.loaded_offline.compile(spirv, spec.name, len(spec.bindings), constants, spec.subgroup)


def _analysis(spec: KernelSpec, spirv: bytes, target: TargetSpec, tools: Toolset) -> tuple[dict[str, object], str]:
    """What the target's own compiler says, and the evidence level that follows."""
    if target.offline_compiler is None:
        return {"missing": "the target has no offline compiler"}, "validated"
    if tools.offline is None:
        return {"missing": f"{target.offline_compiler} was not there at build time"}, "validated"
    stats = to_isa(spec, spirv, tools).stats
    _check_spills(spec, stats, target)
    return {"compiler": target.offline_compiler, **asdict(stats)}, "compiled"


def _check_spills(spec: KernelSpec, stats: IsaStats, target: TargetSpec) -> None:
    spills = stats.spilled_vgprs + stats.spilled_sgprs
    if target.spill_limit is not None and spills > target.spill_limit:
        raise CompileError(
            spec.name,
            f"{spills} registers spill on {target.name} ({stats.spilled_vgprs} VGPRs, {stats.spilled_sgprs} SGPRs; "
            f"{stats.vgprs} VGPRs in use), and the target allows {target.spill_limit}",
        )
