"""What a step of a model costs at the least: bytes of weights and KV cache, and the multiply-adds on them.

Norms, activations and dispatches are not counted, so that every figure is a bound from below. Weights count as they lie
in a file (`Quant.file_bytes`), or as a device has them (`Quant.weight_bytes`: rows padded, Q6_K unpacked to bytes).
"""

from collections.abc import Callable
from dataclasses import dataclass

from kernelrt.model import ModelSpec
from kernelrt.quant import Quant

Size = Callable[[Quant, int, int], int]  # bytes of [rows, width] weights in a format
KV_BYTES = 2  # K and V are kept as fp16


@dataclass(frozen=True, slots=True)
class Cost:
    """The least that a step needs: tokens that it yields (decode) or takes (prefill), FLOPs, bytes read."""

    tokens: int
    weight_flops: int
    attention_flops: int
    weight_bytes: int
    kv_bytes: int

    @property
    def flops(self) -> int:
        return self.weight_flops + self.attention_flops

    @property
    def bytes(self) -> int:
        return self.weight_bytes + self.kv_bytes


def layer_parameters(model: ModelSpec) -> int:
    """Weights of one layer's matrices: q, k, v, o and gate, up, down (the norms' vectors are left out)."""
    return sum(rows * width for rows, width in _layer_matrices(model))


def head_parameters(model: ModelSpec) -> int:
    """Weights of the LM head, which is the embedding."""
    return model.vocab * model.hidden


def weight_bytes(model: ModelSpec, quant: Quant, embedding: Quant, size: Size = Quant.file_bytes) -> int:
    """Bytes that a decoded token reads: every matrix once, the head included."""
    layer = sum(size(quant, rows, width) for rows, width in _layer_matrices(model))
    return model.layers * layer + size(embedding, model.vocab, model.hidden)


def kv_bytes(model: ModelSpec, seq: int) -> int:
    """Bytes of K and V that a token reads at `seq` tokens in the cache; a local layer keeps a ring of `window`."""
    entry = 2 * model.kv_heads * model.head_dim * KV_BYTES
    return sum(_visible(model, kind, seq) for kind in model.layer_kinds) * entry


def decode_cost(
    model: ModelSpec, quant: Quant, embedding: Quant, seq: int, batch: int, size: Size = Quant.file_bytes
) -> Cost:
    """One decode step: one token of each of `batch` sequences that have `seq` tokens in the cache."""
    visible = sum(_visible(model, kind, seq) for kind in model.layer_kinds)
    return Cost(
        tokens=batch,
        weight_flops=2 * batch * (model.layers * layer_parameters(model) + head_parameters(model)),
        attention_flops=batch * visible * _attention_flops(model),
        weight_bytes=weight_bytes(model, quant, embedding, size),
        kv_bytes=batch * kv_bytes(model, seq),
    )


def prefill_cost(model: ModelSpec, quant: Quant, embedding: Quant, seq: int, size: Size = Quant.file_bytes) -> Cost:
    """A prompt of `seq` tokens, causal and windowed; the head runs for the last one alone. `kv_bytes`: written once."""
    pairs = sum(_pairs(seq, seq if kind == "global" else model.window) for kind in model.layer_kinds)
    return Cost(
        tokens=seq,
        weight_flops=2 * (seq * model.layers * layer_parameters(model) + head_parameters(model)),
        attention_flops=pairs * _attention_flops(model),
        weight_bytes=weight_bytes(model, quant, embedding, size),
        kv_bytes=kv_bytes(model, seq),
    )


def _layer_matrices(model: ModelSpec) -> tuple[tuple[int, int], ...]:
    """(rows, width) of each matrix of a layer."""
    return (
        (model.qkv_rows, model.hidden),
        (model.hidden, model.attn_width),
        (2 * model.ffn, model.hidden),
        (model.hidden, model.ffn),
    )


def _visible(model: ModelSpec, kind: str, seq: int) -> int:
    return seq if kind == "global" else min(seq, model.window)


def _pairs(seq: int, window: int) -> int:
    """Query-key pairs of a causal prompt in which a token sees itself and at most window - 1 before it."""
    full = min(seq, window)
    return full * (full + 1) // 2 + (seq - full) * window


def _attention_flops(model: ModelSpec) -> int:
    """Of one query position and one key position in one layer: the products q·k and p·v in every head."""
    return 4 * model.attn_width
