"""Where a verb's weights come from, as the options say it."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kernelrt.errors import InputError

if TYPE_CHECKING:
    from kernelrt.loading import Weights
    from kernelrt.text.tokenizer import Tokenizer
    from kernelrt.weights.cache import CacheMode


@dataclass(frozen=True, slots=True)
class Source:
    """`path` as --weights gives it, or `random` weights of `seed`; `cache` is "auto", "always" or "off".

    Construction raises InputError unless it is one of both.
    """

    path: str | None
    random: bool
    seed: int
    cache: "CacheMode"

    def __post_init__(self) -> None:
        if (self.path is None) != self.random:
            problem = "exclude each other" if self.random else "neither is given"
            raise InputError(f"--weights and --random-weights: {problem}; give one")
        if self.path == "":
            raise InputError("--weights: the name is empty; give a GGUF file, a safetensors file, or a model's folder")

    def describe(self) -> str:
        """In words."""
        return f"random (seed {self.seed})" if self.path is None else self.path

    def tokenizer(self, vocab: int) -> "Tokenizer":
        """The weights' tokenizer. NoTokenizerError where they have none, InputError where it cannot be used."""
        from kernelrt.text.find import NoTokenizerError, tokenizer_for

        if self.path is None:
            raise NoTokenizerError("--random-weights: there is no tokenizer; give the prompt as ids: --tokens 2,17,…")
        return tokenizer_for(Path(self.path), vocab)

    @contextmanager
    def open(self) -> "Generator[Weights]":
        """The weights, opened and not yet read. InputError."""
        if self.path is None:
            from kernelrt.weights.random import RandomWeights

            yield RandomWeights(self.seed)
            return
        from kernelrt.weights.source import open_checkpoint

        with open_checkpoint(Path(self.path), self.cache) as checkpoint:
            yield checkpoint
