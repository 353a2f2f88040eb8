"""The least that a step of a model must do: floating-point operations, and bytes that must be read from memory.

Weights, KV cache and the multiply-adds on them are counted; norms, activations and dispatches are not. So a rate made
of these figures is never above what the device really did.
"""

from dataclasses import dataclass

from kernelrt.model import LayerKind, ModelSpec
from kernelrt.quant import Quant

KV_BYTES = 2  # K and V are kept as fp16


@dataclass(frozen=True, slots=True)
class Cost:
    """Tokens that a step takes (prefill) or gives (decode), floating-point operations, bytes read."""

    tokens: int
    flops: int
    nbytes: int


@dataclass(frozen=True, slots=True)
class ModelWork:
    """A model with the formats of its weights: the layers', and the embedding's, which is the head too."""

    model: ModelSpec
    body: Quant
    embedding: Quant

    @property
    def weight_bytes(self) -> int:
        """Bytes that a decoded token reads: every matrix once, the head included."""
        layer = sum(self.body.weight_bytes(rows, width) for rows, width in self._matrices)
        return self.model.layers * layer + self.embedding.weight_bytes(self.model.vocab, self.model.hidden)

    def decode(self, cached: int, batch: int) -> Cost:
        """One step of `batch` sequences that each have `cached` tokens in the cache, the step's own among them."""
        visible = sum(_visible(self.model, kind, cached) for kind in self.model.layer_kinds)
        weights = self.model.layers * self._layer_weights + self._head_weights
        return Cost(
            tokens=batch,
            flops=batch * (2 * weights + visible * self._pair_flops),
            nbytes=self.weight_bytes + batch * visible * self._kv_entry,
        )

    def prefill(self, tokens: int) -> Cost:
        """One prompt from its beginning, causal and windowed; the head runs for the last token alone."""
        pairs = sum(_pairs(self.model, kind, tokens) for kind in self.model.layer_kinds)
        weights = tokens * self.model.layers * self._layer_weights + self._head_weights
        return Cost(tokens, 2 * weights + pairs * self._pair_flops, self.weight_bytes)

    @property
    def _matrices(self) -> tuple[tuple[int, int], ...]:
        """(rows, width) of each matrix of a layer."""
        m = self.model
        return ((m.qkv_rows, m.hidden), (m.hidden, m.attn_width), (2 * m.ffn, m.hidden), (m.hidden, m.ffn))

    @property
    def _layer_weights(self) -> int:
        return sum(rows * width for rows, width in self._matrices)

    @property
    def _head_weights(self) -> int:
        return self.model.vocab * self.model.hidden

    @property
    def _pair_flops(self) -> int:
        """Of one query and one key in one layer: the products q·k and p·v in every head."""
        return 4 * self.model.attn_width

    @property
    def _kv_entry(self) -> int:
        """Bytes of K and V of one token in one layer."""
        return 2 * self.model.kv_heads * self.model.head_dim * KV_BYTES


def _visible(model: ModelSpec, kind: LayerKind, cached: int) -> int:
    return cached if kind == "global" else min(cached, model.window)


def _pairs(model: ModelSpec, kind: LayerKind, tokens: int) -> int:
    """Query-key pairs of a prompt in one layer: a token sees itself and, in a local one, window - 1 before it."""
    full = _visible(model, kind, tokens)
    return full * (full + 1) // 2 + (tokens - full) * full
