"""What the attention families share: the caches that a bundle has, and the scratch of a prefill chunk."""

from kernelc.buckets import Buckets
from kernelc.kernel import ceil_div
from kernelc.product.tiles import prefill_rows
from kernelc.target import TargetSpec
from kernelrt.model import LayerKind, ModelSpec

QUERY_TILE = 64  # rows that a chunk's scratch is padded to: every query tile divides it


def capacities(model: ModelSpec, buckets: Buckets) -> tuple[int, ...]:
    """The caches' capacities in tokens, none twice: rings stop at the window."""
    found = [_capacity(model, kind, seq) for kind in model.layer_kinds for seq in buckets.seq]
    return tuple(dict.fromkeys(found))


def chunks(target: TargetSpec, buckets: Buckets) -> tuple[int, ...]:
    """The lengths in rows of the prefill chunks' scratch, none twice."""
    return tuple(dict.fromkeys(_chunk(target, seq) for seq in buckets.seq))


def caches_and_chunks(model: ModelSpec, target: TargetSpec, buckets: Buckets) -> tuple[tuple[LayerKind, int, int], ...]:
    """(kind of layer, capacity, scratch rows) of every sequence bucket, none twice."""
    found: list[tuple[LayerKind, int, int]] = [
        (kind, _capacity(model, kind, seq), _chunk(target, seq)) for kind in model.layer_kinds for seq in buckets.seq
    ]
    return tuple(dict.fromkeys(found))


def _capacity(model: ModelSpec, kind: LayerKind, seq: int) -> int:
    return min(model.window, seq) if kind == "local" else seq


def _chunk(target: TargetSpec, seq: int) -> int:
    return ceil_div(min(seq, prefill_rows(target)), QUERY_TILE) * QUERY_TILE
