"""A kernel that could not be built, as the report shows it."""

import traceback
from dataclasses import dataclass, replace
from pathlib import Path

from jinja2 import TemplateError, TemplateSyntaxError


@dataclass(frozen=True, slots=True)
class Failure:
    """Which kernel, its template, the line (0: unknown) with its text, and what the tool said.

    The line is one of the rendered source (`kernelc show KERNEL --emit glsl` or `mlir`), or of the template where
    rendering failed.
    """

    kernel: str
    template: str
    line: int
    text: str
    message: str
    rendered: bool = True

    def of(self, kernel: str) -> "Failure":
        """The same failure of another kernel with the same source."""
        return replace(self, kernel=kernel)

    def __str__(self) -> str:
        where = f"{self.kernel}: {self.template}"
        if self.line:
            where += f", line {self.line}" + (" of the rendered source" if self.rendered else "")
        lines = [f"{where}: {self.message}"]
        if self.text.strip():
            lines.append(f"    {self.text.strip()}")
        return "\n".join(lines)


def render_failure(kernel: str, template: Path, templates: Path, error: TemplateError) -> Failure:
    """The failure of a template that cannot be rendered: missing, of wrong syntax, or with a name that has no value.

    `templates` is the folder of the template and of what it includes.
    """
    file, line = template, 0
    if isinstance(error, TemplateSyntaxError):
        file, line = Path(error.filename or file), error.lineno
    else:
        for frame in traceback.extract_tb(error.__traceback__):
            if Path(frame.filename).is_relative_to(templates):  # jinja maps its frames to the template's lines
                file, line = Path(frame.filename), frame.lineno or 0
    text = file.read_text().splitlines()[line - 1] if line and file.is_file() else ""
    return Failure(kernel, str(file), line, text, error.message or type(error).__name__, rendered=False)
