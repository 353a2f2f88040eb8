"""Stacks of their own for cores: greenlets, which can be left in the middle of native frames."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from kernelrt.npu.errors import NpuError

if TYPE_CHECKING:
    from greenlet import greenlet

    Stack = greenlet
else:
    Stack = object


def stack(main: Callable[[], None]) -> Stack:
    """A stack that runs `main` when it is first switched to.

    Raises:
        NpuError: the package for that is missing.
    """
    try:
        from greenlet import greenlet
    except ImportError as e:
        raise NpuError("the NPU simulator needs the Python package 'greenlet': pip install 'kernelrt[sim]'") from e
    return greenlet(main)


def leave(own: Stack) -> None:
    """Goes back to who switched to this stack."""
    parent = own.parent
    assert parent is not None
    parent.switch()
