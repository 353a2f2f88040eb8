"""The text of a kernel, for mlir-aie and for the simulator alike."""

import re
from pathlib import Path

from kernelc.npu.spec import NpuKernelSpec
from kernelc.render import environment, template_dir

_INDEX = re.compile(r"%c(\d+)\b")


def render(spec: NpuKernelSpec, folder: Path | None = None) -> str:
    """The design, whole: every name bound (jinja2.UndefinedError otherwise)."""
    template = environment(folder or template_dir()).get_template(f"mlir/{spec.family}.mlir.j2")
    return template.render(spec.param, index_constants=index_constants)


def index_constants(body: str) -> str:
    """The definitions of all index constants %c0, %c1, ... that a core's body uses."""
    numbers = sorted({int(number) for number in _INDEX.findall(body)})
    return "".join(f"      %c{number} = arith.constant {number} : index\n" for number in numbers)
