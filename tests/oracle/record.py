"""What `transformers` answered to a configuration's prompt, kept as a small file (tests/oracle/write_fixtures.py)."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.oracle.configs import Config

FOLDER = Path(__file__).parent / "fixtures"
QUANTS = ("f16", "q8_0", "q4_0")


@dataclass(frozen=True)
class Record:
    """Prompt and greedy tokens, and of the logits after each: the norm, the best token, by how much it is the best.

    tokens u16 [n]; best u16, gap f32, norm f32 [n]; rows u16 [k] are the positions whose logits f32 [k, vocab] are kept
    whole.
    """

    tokens: NDArray[np.uint16]
    best: NDArray[np.uint16]
    gap: NDArray[np.float32]
    norm: NDArray[np.float32]
    rows: NDArray[np.uint16]
    logits: NDArray[np.float32]

    @staticmethod
    def of(config: Config, tokens: list[int], logits: NDArray[np.float64]) -> "Record":
        """From the logits [n, vocab] of every token."""
        order = np.sort(logits, -1)
        rows = _rows(config)
        return Record(
            tokens=np.array(tokens, np.uint16),
            best=logits.argmax(-1).astype(np.uint16),
            gap=(order[:, -1] - order[:, -2]).astype(np.float32),
            norm=np.linalg.norm(logits, axis=-1).astype(np.float32),
            rows=np.array(rows, np.uint16),
            logits=logits[rows].astype(np.float32),
        )


def _rows(config: Config) -> list[int]:
    """The first position, those at the window's edge and far past it, the prompt's last, and some decoded ones."""
    window, prompt = config.model.window, config.prompt
    return sorted({0, window - 1, window, 2 * window, prompt - 1, prompt, prompt + 31, config.length - 1})


def identity(config: Config) -> str:
    """All that the weights and the prompt depend on, as text: a file of another is refused."""
    fields = {"seed": config.seed, "prompt": config.prompt, "branch": config.branch}
    return json.dumps({**fields, "model": config.model.describe()}, sort_keys=True)


def save(config: Config, records: dict[str, Record], writer: str) -> None:
    """One file a configuration, with the records of each weight format. `writer`: who answered, in words."""
    arrays = {f"{quant}.{field}": array for quant, record in records.items() for field, array in vars(record).items()}
    FOLDER.mkdir(exist_ok=True)
    np.savez_compressed(
        FOLDER / f"{config.name}.npz", config=np.array(identity(config)), writer=np.array(writer), **arrays
    )


def load(config: Config, quant: str) -> Record:
    """The record of a configuration in one weight format. AssertionError where the file is of another."""
    with np.load(FOLDER / f"{config.name}.npz") as file:
        assert str(file["config"]) == identity(config), (
            f"{config.name}: its fixture is of other weights or another prompt: "
            "run python -m tests.oracle.write_fixtures where torch is installed"
        )
        return Record(**{field: file[f"{quant}.{field}"] for field in Record.__dataclass_fields__})
