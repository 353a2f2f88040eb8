"""What the attention families share: the caches that a bundle has, and the scratch of a prefill chunk."""

from kernelc.buckets import Buckets
from kernelc.kernel import ceil_div
from kernelc.model import ModelSpec
from kernelc.product.forms import PREFILL_ROWS
from kernelc.target import TargetSpec

QUERY_TILE = 64  # rows that a chunk's scratch is padded to: every query tile divides it


def capacities(model: ModelSpec, buckets: Buckets) -> tuple[tuple[str, int], ...]:
    """Each kind of layer with its caches' capacities in tokens, none twice: rings stop at the window."""
    found = [(kind, _capacity(model, kind, seq)) for kind in model.layer_kinds for seq in buckets.seq]
    return tuple(dict.fromkeys(found))


def chunks(target: TargetSpec, buckets: Buckets) -> tuple[int, ...]:
    """The lengths in rows of the prefill chunks' scratch, none twice."""
    return tuple(dict.fromkeys(_chunk(target, seq) for seq in buckets.seq))


def caches_and_chunks(model: ModelSpec, target: TargetSpec, buckets: Buckets) -> tuple[tuple[str, int, int], ...]:
    """(kind of layer, capacity, scratch rows) of every sequence bucket, none twice."""
    found = [
        (kind, _capacity(model, kind, seq), _chunk(target, seq)) for kind in model.layer_kinds for seq in buckets.seq
    ]
    return tuple(dict.fromkeys(found))


def subgroup_of(target: TargetSpec) -> int:
    """The subgroup size to ask for; 0 where the target cannot choose."""
    return target.subgroup if "subgroup_size_control" in target.features else 0


def _capacity(model: ModelSpec, kind: str, seq: int) -> int:
    return min(model.window, seq) if kind == "local" else seq


def _chunk(target: TargetSpec, seq: int) -> int:
    return ceil_div(min(seq, target.tune.get("prefill_rows", PREFILL_ROWS)), QUERY_TILE) * QUERY_TILE
