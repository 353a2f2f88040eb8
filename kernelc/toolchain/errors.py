"""What a tool found wrong with a kernel."""

from kernelc.errors import KernelcError


class CompileError(KernelcError):
    """A kernel that a tool refuses: `kernel`, `message`, `line` in the rendered source (0: unknown) and its `text`."""

    def __init__(self, kernel: str, message: str, line: int = 0, text: str = "") -> None:
        self.kernel = kernel
        self.message = message
        self.line = line
        self.text = text
        where = f"{kernel}:{line}" if line else kernel
        super().__init__(f"{where}: {message}" + (f"  [{text.strip()}]" if text.strip() else ""))
