"""Which of the tools that can do a job does it."""

from dataclasses import dataclass
from pathlib import Path

from kernelc.toolchain.identity import Identity, Memo, identify


@dataclass(frozen=True, slots=True)
class Choice:
    """The tool for the job `name`, found and not loaded yet; `note` says why it is not the preferred one, if so."""

    name: str
    in_process: bool
    path: Path
    version: str
    note: str = ""

    def identity(self, memo: Memo) -> Identity:
        return identify(self.name, self.version, [self.path], memo)
