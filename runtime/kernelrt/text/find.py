"""Which tokenizer belongs to a model's weights."""

import os
from pathlib import Path

from kernelrt.errors import InputError
from kernelrt.gguf import read_fields
from kernelrt.specfile import is_folder
from kernelrt.text import gguf_fields, json_file
from kernelrt.text.tokenizer import Tokenizer

FILE = "tokenizer.json"


class NoTokenizerError(InputError):
    """The weights have none; token ids can still be given and taken."""


def tokenizer_for(weights: Path, vocab: int | None = None) -> Tokenizer:
    """The tokenizer that a GGUF file carries, or the tokenizer.json in the folder of the weights (or at the path).

    `vocab`: the size of the model's vocabulary, which it must fit. NoTokenizerError where there is none; InputError
    naming file and field for one that cannot be used.
    """
    found = _open(weights)
    return found if vocab is None else found.for_model(vocab)


def _open(weights: Path) -> Tokenizer:
    if weights.suffix.lower() == ".gguf" and not is_folder(weights):
        fields = read_fields(weights)
        if "tokenizer.ggml.model" not in fields:
            raise NoTokenizerError(f"{weights}: it carries no tokenizer; give the prompt as ids: --tokens 2,17,…")
        return gguf_fields.tokenizer(fields, weights)
    path = weights if weights.suffix.lower() == ".json" else (weights if is_folder(weights) else weights.parent) / FILE
    if not os.path.lexists(path):
        hint = "put the model's there, or give the prompt as ids: --tokens 2,17,…"
        raise NoTokenizerError(f"{path}: there is no tokenizer; {hint}")
    return json_file.tokenizer(path)
