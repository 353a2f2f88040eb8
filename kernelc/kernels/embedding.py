"""embedding: the first residual stream from token ids.

    residual[b][i] = E[tokens[b]][i] * scale;  tokens u32 [rows], residual f32 [rows, hidden]

E is [vocab, padded(hidden)] in the planes of `kernelrt.quant`, the same matrix as the head's. `scale` is sqrt(hidden)
in float32, as in transformers run in float32 or float64: it rounds the number to the dtype that it runs in
(Gemma3TextScaledWordEmbedding), so that in bfloat16 it would be off by up to 0.2 %. A token id that is not below vocab
gives a row of NaN and reads nothing; the host checks ids before.
"""

import math
import struct
from collections.abc import Iterator

from kernelc.buckets import MAX_BATCH, Buckets
from kernelc.kernel import Binding, Dim, KernelSpec, Work, frozen, tags
from kernelc.target import TargetSpec
from kernelrt.model import ModelSpec
from kernelrt.quant import QUANTS, padded


def spec(*, vocab: int, hidden: int, quant: str, rows: int = MAX_BATCH, workgroup: int = 256) -> KernelSpec:
    """One kernel, for any number of rows (a workgroup each). `hidden` is a multiple of 4; `rows` sizes the work."""
    if hidden % 4:
        raise ValueError(f"embedding: hidden {hidden} is not a multiple of 4")
    form, width = QUANTS[quant], padded(hidden)
    planes = [Binding("w", "u32x4", (vocab, width // form.unit))]
    if form.scaled:
        planes.append(Binding("w_scale", form.scale_dtype, (vocab, form.scales(hidden))))
    return KernelSpec(
        name=f"embedding.{quant}",
        family="embedding",
        params=frozen(
            {
                "vocab": vocab,
                "hidden": hidden,
                "padded": width,
                "unit": form.unit,
                "group": form.group,
                "quant": quant,
                "scale": float32(math.sqrt(hidden)),
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
        requires=("storage16",) if form.scale_dtype == "f16" else (),
        tags=tags("any", quant=quant),
    )


def kernels(model: ModelSpec, target: TargetSpec, buckets: Buckets) -> Iterator[KernelSpec]:
    """One kernel: it serves decode batches and prefill chunks alike."""
    workgroup = min(256, target.max_workgroup)
    yield spec(vocab=model.vocab, hidden=model.hidden, quant=buckets.embedding, workgroup=workgroup)


def float32(x: float) -> float:
    """x rounded to float32."""
    (rounded,) = struct.unpack("<f", struct.pack("<f", x))
    return rounded
