"""Random weights of a Gemma 3 by name and seed: the same bits on every machine, under the names of Hugging Face.

Every number is made of raw Philox words by integer arithmetic and one product, because the normal deviates of a
library may change with its version. Each value is one that bfloat16 and fp16 both hold, so that a checkpoint of either
kind, and the fp64 reference, have the same weights.
"""

import hashlib
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from kernelrt.model import ModelSpec
from tests.oracle.quantize import planes

F32 = NDArray[np.float32]
Tensors = Mapping[str, F32]

EMBEDDING, FINAL_NORM = "model.embed_tokens.weight", "model.norm.weight"
_OUTLIER = 6.0  # one weight in 512 is so many times its size
_SPREAD = (0.5, 1.0, 1.0, 2.0)  # of a matrix's rows


def shapes(model: ModelSpec) -> dict[str, tuple[int, ...]]:
    """Every tensor of a text checkpoint by name; matrices [out, in]. The head is the embedding."""
    hidden, ffn, dim = model.hidden, model.ffn, model.head_dim
    found: dict[str, tuple[int, ...]] = {EMBEDDING: (model.vocab, hidden), FINAL_NORM: (hidden,)}
    for i in range(model.layers):
        at = f"model.layers.{i}."
        found |= {
            f"{at}self_attn.q_proj.weight": (model.attn_width, hidden),
            f"{at}self_attn.k_proj.weight": (model.kv_heads * dim, hidden),
            f"{at}self_attn.v_proj.weight": (model.kv_heads * dim, hidden),
            f"{at}self_attn.o_proj.weight": (hidden, model.attn_width),
            f"{at}self_attn.q_norm.weight": (dim,),
            f"{at}self_attn.k_norm.weight": (dim,),
            f"{at}mlp.gate_proj.weight": (ffn, hidden),
            f"{at}mlp.up_proj.weight": (ffn, hidden),
            f"{at}mlp.down_proj.weight": (hidden, ffn),
            f"{at}input_layernorm.weight": (hidden,),
            f"{at}post_attention_layernorm.weight": (hidden,),
            f"{at}pre_feedforward_layernorm.weight": (hidden,),
            f"{at}post_feedforward_layernorm.weight": (hidden,),
        }
    return found


def tensors(model: ModelSpec, seed: int, branch: float = 0.0) -> dict[str, F32]:
    """A whole checkpoint; `branch` is the mean of w in the norms after a branch (see Config)."""
    return {name: _tensor(name, shape, seed, branch) for name, shape in shapes(model).items()}


def meant(checkpoint: Tensors, quant: str, embedding: str | None = None) -> dict[str, NDArray[np.float64]]:
    """The same checkpoint in fp64 after its matrices went through the format `quant`, the embedding through its own."""

    def one(name: str, w: F32) -> NDArray[np.float64]:
        if w.ndim == 1:
            return w.astype(np.float64)
        return planes(w, embedding or quant if name == EMBEDDING else quant)[2]

    return {name: one(name, w) for name, w in checkpoint.items()}


def _tensor(name: str, shape: tuple[int, ...], seed: int, branch: float) -> F32:
    key = int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:16], "little")
    words = np.random.Philox(key=key)
    w = _normal(words, shape)
    if len(shape) == 1:
        w *= 0.3
        if "post_" in name:
            w = branch + w * max(1.0, branch / 8)
        return _round(w)
    rows = np.array(_SPREAD)[words.random_raw(shape[0]) % np.uint64(len(_SPREAD))]
    if name == EMBEDDING:
        rows = np.ones(shape[0])
    outliers = words.random_raw(shape[0] * shape[1]).reshape(shape) % np.uint64(512) == 0
    w *= np.where(outliers, _OUTLIER, 1.0) * rows[:, None] * shape[1] ** -0.5
    return _round(w)


def _normal(words: np.random.Philox, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Nearly normal, of variance 1: the sum of four 16-bit words, whose variance is (2^32 - 1) / 3."""
    quarters = words.random_raw(int(np.prod(shape))).astype("<u8").view("<u2").reshape(*shape, 4)
    return (quarters.sum(-1, dtype=np.int64) - 2 * 0xFFFF) * ((2.0**32 - 1) / 3) ** -0.5


def _round(w: NDArray[np.float64]) -> F32:
    """The nearest bfloat16 that, where it is too small for a normal half, is a half as well."""
    bits = w.astype(np.float32).view(np.uint32)
    bits = bits + np.uint32(0x7FFF) + (bits >> np.uint32(16) & np.uint32(1)) & np.uint32(0xFFFF0000)
    return bits.view(np.float32).astype(np.float16).astype(np.float32)
