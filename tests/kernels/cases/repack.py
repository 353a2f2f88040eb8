"""Cases of repack: the same bits, apart."""

from collections.abc import Iterator, Mapping

import numpy as np

from kernelc.kernels import repack
from kernelc.target import TargetSpec
from kernelrt.params import Params
from kernelrt.quant import QUANTS
from tests.kernels.case import Array, Case
from tests.kernels.harness import fresh_seed
from tests.oracle import quantize

# blocks to move, first block of the destination, blocks that the destination holds
SHAPES = ((1, 0, 1), (7, 3, 12), (256, 0, 256), (513, 100, 700), (64 * 256 + 5, 1, 64 * 256 + 9))
LARGE = ((1, 0, 1), (7, 3, 12), (32, 0, 32), (97, 50, 170), (64 * 32 + 5, 1, 64 * 32 + 9))  # of 256 weights
SCALES = {"f16": np.uint16, "f32": np.uint32}


def cases(target: TargetSpec) -> Iterator[Case]:
    for quant, shapes in (("q4_0", SHAPES), ("q8_0", SHAPES), ("q6_k", LARGE)):
        for moved, start, held in shapes:
            yield case(quant, moved, start, held)


def case(quant: str, moved: int, start: int, held: int) -> Case:
    """Random bytes, among them the NaNs and subnormals that a scale must not be but that must arrive as they are."""
    seed, form = fresh_seed(), QUANTS[quant]
    raw = np.random.default_rng(seed).integers(0, 256, (1, moved, form.block_bytes), np.uint8)
    quants, scales = (quantize.split_q6_k if quant == "q6_k" else quantize.split_blocks)(raw)
    w = np.full((held, form.block // form.unit * 4), 0xFFFFFFFF, np.uint32)
    w[start : start + moved] = quants.view(np.uint32).reshape(moved, -1)
    kind = SCALES[form.scale_dtype]
    w_scale = np.full((held, form.block // form.group), np.iinfo(kind).max, kind)
    w_scale[start : start + moved] = _bits(scales).reshape(moved, -1)
    words = -(-raw.size // 4)

    def view(out: Mapping[str, Array]) -> Mapping[str, Array]:
        return {"w": out["w"], "w_scale": _bits(out["w_scale"])}

    return Case(
        name=f"repack.{quant}.{moved}at{start}of{held}",
        spec=repack.spec(quant=quant),
        arrays={"raw": np.pad(raw.ravel(), (0, words * 4 - raw.size)).view(np.uint32)},
        expected={"w": w, "w_scale": w_scale},
        params=Params(rows=moved, start=start),
        capacity=moved,
        tolerance=0,
        seed=seed,
        quantities={"words": words, "blocks": held},
        view=view,
    )


def _bits(scales: Array) -> Array:
    """Halves as they are. Products with a NaN have any NaN's bits, and become one; zeros of either sign are one."""
    if scales.dtype == np.float16:
        return scales.view(np.uint16)
    floats = np.where(np.isnan(scales.astype(np.float32)), np.float32(np.nan), scales.astype(np.float32) + 0)
    bits = floats.astype(np.float32).view(np.uint32)
    return np.where(scales.view(np.uint32) == 0xFFFFFFFF, 0xFFFFFFFF, bits).astype(np.uint32)  # poison stays
