"""Options that several verbs share."""

from enum import Enum
from typing import Annotated

import typer

BundleName = Annotated[
    str,
    typer.Option("--bundle", metavar="PATH|NAME", help="A bundle's folder or .kcb file, or its name in build/bundles."),
]
Weights = Annotated[
    str | None,
    typer.Option(metavar="PATH", help="A GGUF file, a safetensors file, or a folder of a Hugging Face model."),
]
RandomWeights = Annotated[
    bool, typer.Option("--random-weights", help="Fill the device with random weights, without any file.")
]


class CacheUse(str, Enum):
    """When repacked weights are kept beside the store for a faster start."""

    auto = "auto"  # where they were converted
    always = "always"
    off = "off"


WeightsCache = Annotated[
    CacheUse, typer.Option(help="Keep the weights as the device needs them, for a faster start the next time.")
]
DeviceName = Annotated[
    str | None,
    typer.Option(
        "--device", metavar="N|NAME", help="A number or a part of a name of `kernelrt devices`. [default: the best]"
    ),
]
Context = Annotated[
    int | None,
    typer.Option(metavar="N", min=1, help="Tokens that a sequence can hold. [default: the bundle's most]"),
]
NeededContext = Annotated[
    int | None,
    typer.Option(
        "--context",
        metavar="N",
        min=1,
        help="Tokens that the sequence can hold. [default: what prompt and --max-tokens need, if the bundle has it]",
    ),
]
Exact = Annotated[
    bool,
    typer.Option("--exact", help="Compute in fp32 also where the GPU has matrix units for fp16, which are faster."),
]


Attention = Annotated[
    str,
    typer.Option(
        metavar="npu|gpu|auto",
        help="Where attention runs, or each phase's: prefill=npu,decode=gpu. npu: XRT, or the simulator where there is"
        " no NPU; auto: that of prompts on an NPU, if there is one.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
