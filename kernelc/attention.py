"""What the attention families share: the caches that a bundle has, and the scratch of a prefill chunk."""

from kernelc.buckets import Buckets
from kernelc.kernel import ceil_div
from kernelc.product.tiles import prefill_rows
from kernelc.target import TargetSpec
from kernelrt.model import LayerKind, ModelSpec

QUERY_TILE = 64  # rows that a chunk's scratch is padded to: every query tile divides it


def capacities(model: ModelSpec, buckets: Buckets) -> tuple[int, ...]:
    """The caches' capacities in tokens, none twice: rings stop at the window."""
    found = [capacity_of(model, kind, seq) for kind in model.layer_kinds for seq in buckets.seq]
    return tuple(dict.fromkeys(found))


def chunks(target: TargetSpec, buckets: Buckets) -> tuple[int, ...]:
    """The lengths in rows of the prefill chunks' scratch, none twice."""
    return tuple(dict.fromkeys(scratch_rows(target, seq) for seq in buckets.seq))


def caches_and_chunks(model: ModelSpec, target: TargetSpec, buckets: Buckets) -> tuple[tuple[LayerKind, int, int], ...]:
    """(kind of layer, capacity, scratch rows) of every sequence bucket, none twice."""
    found: list[tuple[LayerKind, int, int]] = [
        (kind, capacity_of(model, kind, seq), scratch_rows(target, seq))
        for kind in model.layer_kinds
        for seq in buckets.seq
    ]
    return tuple(dict.fromkeys(found))


def capacity_of(model: ModelSpec, kind: LayerKind, seq: int) -> int:
    """The cache of a layer in tokens, where a sequence holds `seq`."""
    return min(model.window, seq) if kind == "local" else seq


def scratch_rows(target: TargetSpec, seq: int) -> int:
    """The length in rows of a prefill chunk's scratch."""
    return ceil_div(min(seq, prefill_rows(target)), QUERY_TILE) * QUERY_TILE
