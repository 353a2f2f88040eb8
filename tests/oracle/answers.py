"""What `make test-oracle` hands from the environment with torch to the one with the runtime: files in build/oracle."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.oracle.configs import Config

FOLDER = Path(__file__).resolve().parents[2] / "build" / "oracle"


@dataclass(frozen=True)
class Answer:
    """What transformers said in one weight format: prompt and greedy tokens [n], logits f32 [n, vocab] after each."""

    tokens: list[int]
    logits: NDArray[np.float32]


def checkpoint(config: Config) -> Path:
    """The folder that save_pretrained wrote."""
    return FOLDER / config.name / "checkpoint"


def save(config: Config, answers: dict[str, Answer]) -> None:
    """The answers by weight format."""
    arrays: dict[str, Any] = {"seed": config.seed}
    for quant, answer in answers.items():
        arrays |= {f"{quant}.tokens": answer.tokens, f"{quant}.logits": answer.logits}
    np.savez(FOLDER / config.name / "answers.npz", **arrays)


def load(config: Config, quant: str) -> tuple[Config, Answer]:
    """The configuration with the seed of that run, and its answer. AssertionError where no run wrote one."""
    path = FOLDER / config.name / "answers.npz"
    assert path.exists(), f"{path} is not there: make test-oracle writes it before it compares"
    with np.load(path) as file:
        answer = Answer([int(t) for t in file[f"{quant}.tokens"]], file[f"{quant}.logits"])
        return replace(config, seed=int(file["seed"])), answer


def report(config: Config, kind: str, quant: str, line: str) -> None:
    """Leaves a line for the table that `make test-oracle` prints at its end."""
    file = FOLDER / config.name / f"{kind}.{quant}.txt"
    file.write_text(f"{config.name:10} {kind:11} {quant:4} {line}\n")
