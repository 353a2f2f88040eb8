"""One kernel at each stage of its way, as text or bytes: for people, not for the build."""

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from jinja2 import TemplateError

from kernelc.compile import to_isa, to_spirv
from kernelc.errors import KernelcError, ToolError
from kernelc.failure import render_failure
from kernelc.kernel import KernelSpec
from kernelc.npu.render import render as render_design
from kernelc.npu.request import template as design_template
from kernelc.npu.spec import NpuKernelSpec
from kernelc.render import render, template_dir
from kernelc.toolchain import glslang
from kernelc.toolset import Toolset


def rendered(spec: KernelSpec) -> str:
    """The GLSL source. KernelcError where the template cannot be rendered."""
    return _rendered(spec.name, template_dir() / "glsl" / f"{spec.family}.comp.j2", lambda: render(spec))


def design(spec: NpuKernelSpec) -> str:
    """The design for the NPU. KernelcError where the template cannot be rendered."""
    return _rendered(spec.name, design_template(spec, template_dir()), lambda: render_design(spec))


def _rendered(name: str, template: Path, render: Callable[[], str]) -> str:
    try:
        return render()
    except TemplateError as e:
        raise KernelcError(str(render_failure(name, template, template_dir(), e))) from None


def spirv(spec: KernelSpec, tools: Toolset) -> bytes:
    """The module."""
    return to_spirv(spec, rendered(spec), tools)


def assembly(spec: KernelSpec, tools: Toolset) -> str:
    """SPIR-V assembly. ToolError where no disassembler is there."""
    module, compiler = spirv(spec, tools), tools.loaded_compiler
    if isinstance(compiler, glslang.InProcess):
        text = compiler.library.disassemble(module)
        if text is not None:
            return text
    program = shutil.which("spirv-dis")
    if program is None:
        raise ToolError("no SPIR-V disassembler: spirv-dis is not on PATH; install the package spirv-tools")
    done = subprocess.run([program, "--no-color", "-"], input=module, stdout=subprocess.PIPE, check=True)
    return done.stdout.decode()


def machine_code(spec: KernelSpec, tools: Toolset) -> str:
    """The target's machine code with the compiler's figures on top. ToolError where there is no offline compiler."""
    isa = to_isa(spec, spirv(spec, tools), tools)
    figures = [f"; {name}: {value}" for name, value in asdict(isa.stats).items() if value is not None]
    return "\n".join(figures) + "\n\n" + isa.assembly.rstrip() + "\n"


def abi(spec: KernelSpec) -> dict[str, object]:
    """Bindings, constants and grid as JSON values."""
    return {
        "name": spec.name,
        "family": spec.family,
        "workgroup": spec.workgroup,
        "subgroup": spec.subgroup,
        "bindings": [{"binding": i, **asdict(b)} for i, b in enumerate(spec.bindings)],
        "constants": [{"id": i, **asdict(c)} for i, c in enumerate(spec.constants, 1)],
        "grid": [asdict(dim) for dim in spec.grid],
        "requires": sorted(spec.requires),
        "tags": dict(spec.tags),
    }


def abi_text(spec: KernelSpec) -> str:
    """The same for people."""
    lines = [f"{spec.name} (family {spec.family})", "set 0:"]
    for i, b in enumerate(spec.bindings):
        shape = " x ".join(str(size) for size in b.shape) or "1"
        lines.append(f"  {i:2}  {b.name:12} {b.access:2}  {b.dtype:6}  {shape}")
    lines.append("specialization constants:")
    lines.append(f"   0  WORKGROUP = {spec.workgroup}")
    lines += [f"  {i:2}  {c.name} = {c.value}" for i, c in enumerate(spec.constants, 1)]
    dims = [str(d.count) if d.of is None else f"{d.count} * ceil({d.of} / {d.per})" for d in spec.grid]
    lines.append("grid: " + ", ".join(dims))
    lines.append(f"subgroup size: {spec.subgroup or 'any'}")
    lines.append("requires: " + (", ".join(sorted(spec.requires)) or "nothing"))
    lines += [f"tag: {name} = {value}" for name, value in spec.tags]
    return "\n".join(lines) + "\n"
