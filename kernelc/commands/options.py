"""Options that several verbs share."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer


class NpuMode(str, Enum):
    """What is built for the NPU (kernelc.npu.tools.NpuMode)."""

    auto = "auto"
    xclbin = "xclbin"
    sim = "sim"
    off = "off"


Model = Annotated[
    str,
    typer.Option(metavar="NAME|PATH", help="A built-in model, or a TOML, config.json or GGUF file."),
]
Target = Annotated[str, typer.Option(metavar="NAME|PATH", help="A built-in target, or a TOML file.")]
Quant = Annotated[str, typer.Option(metavar="FORMAT", help="The layers' weights: q4_0, q8_0 or f16.")]
Embedding = Annotated[
    str | None,
    typer.Option(
        "--embedding-quant",
        metavar="FORMAT",
        help="The embedding, which is the head too: q4_0, q8_0, f16 or q6_k. [default: as --quant]",
    ),
]
Seq = Annotated[str, typer.Option(metavar="N,N,…", help="KV cache capacities, in tokens.")]
Batch = Annotated[str, typer.Option(metavar="N,N,…", help="Sequences that decode together.")]
Npu = Annotated[
    NpuMode,
    typer.Option(
        help="Kernels for the NPU: xclbins where aiecc is there and else designs for the simulator (auto), xclbins, "
        "designs alone (sim, for any target), or none (off)."
    ),
]
StoreAt = Annotated[
    Path | None,
    typer.Option(
        "--store", metavar="DIR", readable=False, help="The store. [default: $KERNELC_STORE, else ~/.cache/kernelc]"
    ),
]
Tuning = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="Sizes that `kernelc tune` found; none: the target's own. [default: of tuning/ beside the target]",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]

MODEL = "gemma27b"
TARGET = "phoenix"
QUANT = "q4_0"
SEQ = "512,2048,8192"
BATCH = "1,8,32"
