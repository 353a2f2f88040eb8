"""One small bundle with weights for all tests of the command line."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli.process import CPU, told
from tests.fixtures.cli import built


@dataclass(frozen=True)
class Place:
    """`bundle` has 64 tokens of context and batches of 1 and 8; `weights` are a GGUF file with a tokenizer."""

    root: Path
    bundle: Path
    weights: Path

    @property
    def run(self) -> tuple[str | Path, ...]:
        return ("run", "--bundle", self.bundle, "--weights", self.weights, *CPU)

    @property
    def files(self) -> set[str]:
        """Everything below the place, to see whether something was left behind."""
        return {str(path.relative_to(self.root)) for path in self.root.rglob("*")}


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    root = tmp_path_factory.mktemp("kernelrt")
    sizes = ("--model", "tiny", "--target", "host", "--quant", "q8_0", "--seq", "64", "--batch", "1,8")
    built(*sizes, "--out", root / "bundle", "--store", root / "store")
    weights = root / "tiny.gguf"
    told("make-weights", "--model", "tiny", "--seed", "3", "--format", "gguf", "--quant", "q8_0", "--out", weights)
    return Place(root, root / "bundle", weights)
