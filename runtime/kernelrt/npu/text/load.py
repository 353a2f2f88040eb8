"""The way in: the text of a design as a Design."""

from kernelrt.npu.design import Design
from kernelrt.npu.errors import NpuError


def load(text: str, file: str, device: str | None = None) -> Design:
    """Reads mlir-aie's text for npu1, verifies it and resolves it; `file` is the name that messages carry, `device`
    says which aie.device is meant where there are several.

    Raises DesignError, with file, line and column, for what the language or the hardware does not allow, and NpuError
    where xDSL is not installed.
    """
    try:
        from kernelrt.npu.text.read import read  # here: kernelrt without its extra `sim` has no xDSL
    except ModuleNotFoundError as error:
        package = (error.name or "").split(".")[0]
        if package not in ("xdsl", "typing_extensions"):
            raise
        raise NpuError(f"{package} is not installed: pip install 'kernelrt[sim]'") from None
    return read(text, file, device)
