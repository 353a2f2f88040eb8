"""How many threads share a start's work: reading weights, compiling kernels."""

import os

_MOST = 16


def threads() -> int:
    """One for each core of this process, within reason."""
    return max(1, min(_MOST, len(os.sched_getaffinity(0))))
