"""Cases of repack: the same bits, apart."""

from collections.abc import Iterator

import numpy as np

from kernelc.kernels import repack
from kernelc.target import TargetSpec
from kernelrt.params import Params
from tests.kernels.case import Case
from tests.kernels.harness import fresh_seed
from tests.oracle import quantize

# blocks to move, first block of the destination, blocks that the destination holds
SHAPES = ((1, 0, 1), (7, 3, 12), (256, 0, 256), (513, 100, 700), (64 * 256 + 5, 1, 64 * 256 + 9))
BLOCK_BYTES = {"q4_0": 18, "q8_0": 34}


def cases(target: TargetSpec) -> Iterator[Case]:
    for quant in BLOCK_BYTES:
        for moved, start, held in SHAPES:
            yield case(quant, moved, start, held)


def case(quant: str, moved: int, start: int, held: int) -> Case:
    """Random bytes, among them the NaNs and subnormals that a scale must not be but that must arrive as they are."""
    seed = fresh_seed()
    raw = np.random.default_rng(seed).integers(0, 256, (1, moved, BLOCK_BYTES[quant]), np.uint8)
    quants, scales = quantize.split_blocks(raw)
    w = np.full((held, quants.size // moved), 0xFFFFFFFF, np.uint32)
    w[start : start + moved] = quants.reshape(moved, -1)
    w_scale = np.full(held, 0xFFFF, np.uint16)
    w_scale[start : start + moved] = scales.view(np.uint16)
    words = -(-raw.size // 4)
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
        view=lambda out: {"w": out["w"], "w_scale": out["w_scale"].view(np.uint16)},
    )
