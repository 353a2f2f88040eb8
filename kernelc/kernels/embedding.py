"""embedding: the first residual stream from token ids.

    residual[b][i] = E[tokens[b]][i] * scale;  tokens u32 [rows], residual f32 [rows, hidden]

E is [vocab, padded(hidden)] in the planes of `kernelrt.quant`, the same matrix as the head's. transformers multiplies
by a tensor of the weights' dtype (Gemma3TextScaledWordEmbedding), and Gemma 3's weights are bfloat16: `scale` is
sqrt(hidden) rounded to that unless told otherwise. A token id that is not below vocab gives a row of NaN and reads
nothing; the host checks ids before.
"""

import math
import struct
from collections.abc import Iterator

from kernelc.buckets import MAX_BATCH, Buckets
from kernelc.kernel import Binding, Dim, KernelSpec, Work, frozen, tags
from kernelc.target import TargetSpec
from kernelrt.model import ModelSpec
from kernelrt.quant import BLOCK, QUANTS, padded


def spec(
    *, vocab: int, hidden: int, quant: str, scale: float | None = None, rows: int = MAX_BATCH, workgroup: int = 256
) -> KernelSpec:
    """One kernel, for any number of rows (a workgroup each). `hidden` is a multiple of 4; `rows` sizes the work."""
    if hidden % 4:
        raise ValueError(f"embedding: hidden {hidden} is not a multiple of 4")
    form, width = QUANTS[quant], padded(hidden)
    planes = [Binding("w", "u32x4", (vocab, width // form.unit))]
    if form.scaled:
        planes.append(Binding("w_scale", "f16", (vocab, width // BLOCK)))
    return KernelSpec(
        name=f"embedding.{quant}",
        family="embedding",
        params=frozen(
            {
                "vocab": vocab,
                "hidden": hidden,
                "padded": width,
                "unit": form.unit,
                "quant": quant,
                "scale": bfloat16(math.sqrt(hidden)) if scale is None else scale,
            }
        ),
        bindings=(
            Binding("params", "params", ()),
            Binding("tokens", "u32", ("rows",)),
            *planes,
            Binding("residual", "f32x4", ("rows", hidden // 4), "w"),
        ),
        workgroup=workgroup,
        grid=(Dim(of="rows"), Dim(), Dim()),
        work=Work(rows, 2 * rows * hidden, rows * (4 + form.weight_bytes(1, hidden)), rows * 4 * hidden),
        requires=("storage16",) if form.scaled else (),
        tags=tags("any"),
    )


def kernels(model: ModelSpec, target: TargetSpec, buckets: Buckets) -> Iterator[KernelSpec]:
    """One kernel: it serves decode batches and prefill chunks alike."""
    workgroup = min(256, target.max_workgroup)
    yield spec(vocab=model.vocab, hidden=model.hidden, quant=buckets.quant, workgroup=workgroup)


def bfloat16(x: float) -> float:
    """x rounded to bfloat16, ties to even (x finite, below the format's greatest)."""
    (bits,) = struct.unpack("<I", struct.pack("<f", x))
    (rounded,) = struct.unpack("<f", struct.pack("<I", (bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000))
    return rounded
