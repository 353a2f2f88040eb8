"""`kernelrt make-weights`"""

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kernelrt.commands import options as o

if TYPE_CHECKING:
    from kernelrt.model import ModelSpec


class Format(str, Enum):
    """Kinds of files."""

    safetensors = "safetensors"
    gguf = "gguf"


def make_weights(
    model: Annotated[
        str, typer.Option(metavar="NAME|PATH", help="A built-in model, a config.json, TOML or GGUF file, or a bundle.")
    ],
    out: Annotated[str, typer.Option(metavar="PATH", help="A folder, or a file NAME.gguf, that is not there yet.")],
    seed: Annotated[int, typer.Option(metavar="S", min=0, help="The same seed gives the same bytes.")] = 0,
    format: Annotated[Format | None, typer.Option(help="[default: gguf for NAME.gguf, else safetensors]")] = None,
    quant: Annotated[
        str, typer.Option(metavar="FORMAT", help="gguf: q4_0, q8_0, f16, bf16, f32; safetensors: bf16, f16, f32.")
    ] = "",
    embedding_quant: Annotated[
        str, typer.Option(metavar="FORMAT", help="gguf: the embedding's, q6_k too. [default: as --quant]")
    ] = "",
    json: o.Json = False,
) -> None:
    """Write random weights of a model, with a tokenizer."""
    from kernelrt.commands.progress import progress
    from kernelrt.console.output import print_json
    from kernelrt.errors import InputError
    from kernelrt.weights.make import make_weights as make

    if not out:
        raise InputError("--out: the name is empty; give a folder, or a file NAME.gguf")
    path = Path(out)
    found = Format.gguf if path.suffix.lower() == ".gguf" else Format.safetensors
    if format not in (None, found):
        name = "a file's that ends in .gguf" if format is Format.gguf else "a folder's, which does not end in .gguf"
        raise InputError(f"--out {out}: the name for --format {format.value} is {name}")
    spec = _model(model)
    with progress() as tell:
        make(spec, path, seed, quant, embedding_quant, tell)
    size = path.stat().st_size if path.is_file() else sum(part.stat().st_size for part in path.iterdir())
    if json:
        print_json({"out": out, "model": spec.name, "seed": seed, "format": found.value, "bytes": size})
    else:
        print(f"{out}: random weights of {spec.name}, seed {seed}, {size} bytes")


def _model(name: str) -> "ModelSpec":
    from kernelrt.bundle import Bundle
    from kernelrt.container import is_file_name
    from kernelrt.manifest import MANIFEST
    from kernelrt.model import ModelSpec
    from kernelrt.run_plan import model_of

    path = Path(name)
    if is_file_name(path) or (path / MANIFEST).is_file():
        return model_of(Bundle.open(path))
    return ModelSpec.load(name)
