"""What the buffers of a run are called, and what that says of them."""

from kernelrt.calls import PARAMS

_INPUTS = (PARAMS, "tokens")
TURNS = 2  # decode steps that are under way together, at the most: each takes its tokens from the other
_COMMON = ("zero", "seen")  # what chunks that are under way together may share
NPU_STEP = {"npu_q": "npu_step.q", "npu_out": "npu_step.out"}  # of all layers of a step in turn


def category(name: str) -> str:
    """What a person calls a buffer's contents."""
    name = name.partition("@")[0]
    head, _, tail = name.partition(".")
    if name in _INPUTS:
        return "inputs"
    if name == "next":
        return "results"
    if head.isdecimal():
        return "KV cache" if tail in ("k", "v") else "weights"
    return "weights" if head in ("embedding", "final_norm", "ones") else "activations"


def npu_caches(layer: int) -> dict[str, str]:
    """A layer's caches as decode steps on an NPU read them."""
    return {"npu_k": f"npu_cache.{layer}.k", "npu_v": f"npu_cache.{layer}.v"}


def of_npu(name: str) -> bool:
    """Whether it lies in the NPU's memory."""
    return name.startswith("npu_")


def in_lane(name: str, lane: int) -> str:
    """The name of a buffer in a lane: two chunks that are under way together have their own."""
    return f"{name}@{lane}" if lane else name


def in_turn(name: str, turn: int) -> str:
    """The name of a buffer in a turn: of two decode steps that are under way together, each has its own scalars and
    results, and takes its tokens where the other leaves them.
    """
    if name == "tokens":
        return in_lane("next", 1 - turn)
    return in_lane(name, turn) if name in (PARAMS, "next") else name


def laned(name: str, lane: int) -> str:
    """The same where chunks need their own, and otherwise the name that all share."""
    if of_npu(name):
        return name if name.startswith("npu_cache.") else in_lane(name, lane)  # a cache is a slot's, not a chunk's
    own = category(name) in ("inputs", "activations") and name not in _COMMON and not name.startswith("rope.")
    return in_lane(name, lane) if own else name
