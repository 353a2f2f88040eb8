"""The Jinja environment: sets types, sizes and unrolling; algorithms stay in the templates."""

from functools import lru_cache
from pathlib import Path

import jinja2

from kernelc.bytecode import Bytecode
from kernelc.kernel import GLSL_TYPES, KernelSpec


def template_dir() -> Path:
    """Where the templates are: inside the installed package, else beside it in a checkout."""
    here = Path(__file__).resolve().parent
    inside = here / "templates"
    return inside if inside.is_dir() else here.parent / "templates"


@lru_cache(maxsize=4)
def environment(folder: Path) -> jinja2.Environment:
    """The one environment of all templates below `folder`."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
        bytecode_cache=Bytecode(folder / "__pycache__"),
    )


def _declarations(spec: KernelSpec) -> str:
    """The buffers and specialization constants of a kernel, as GLSL: the family declares them once, for both sides."""
    lines = [f"layout(local_size_x = {spec.workgroup}, local_size_x_id = 0) in;  // the device may decide otherwise"]
    lines.append(f"layout(constant_id = 0) const uint WORKGROUP = {spec.workgroup}u;")
    for i, constant in enumerate(spec.constants, 1):
        lines.append(f"layout(constant_id = {i}) const uint {constant.name} = {constant.value}u;")
    qualifier = {"r": "readonly ", "w": "writeonly ", "rw": ""}
    for i, binding in enumerate(spec.bindings):
        if binding.dtype == "params":
            lines.append(
                f"layout(set = 0, binding = {i}, std430) readonly buffer ParamsBuffer {{ Params {binding.name}; }};"
            )
            continue
        glsl = GLSL_TYPES[binding.dtype]
        how = "nonprivate " * (binding.name in spec.nonprivate) + qualifier[spec.declared(binding)]
        block = f"buffer B{i}_{binding.name} {{ {glsl} {binding.name}[]; }};"
        lines.append(f"layout(set = 0, binding = {i}, std430) {how}{block}")
    return "\n".join(lines)


def render(spec: KernelSpec, folder: Path | None = None) -> str:
    """The GLSL source of a kernel, whole: includes expanded, every name bound (jinja2.UndefinedError otherwise)."""
    template = environment(folder or template_dir()).get_template(f"glsl/{spec.family}.comp.j2")
    how = {"nonprivate": bool(spec.nonprivate), "chained": spec.chained, "rolled": spec.rolled}
    return template.render(spec.param, declarations=_declarations(spec), **how)
