"""The two array methods whose types numpy's stubs leave open, closed in one place."""

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

S = TypeVar("S", bound=np.generic)


def reshape(array: NDArray[S], *shape: int) -> NDArray[S]:
    """The same elements in another shape."""
    return array.reshape(shape)  # pyright: ignore[reportUnknownMemberType]  # an overload of the stub is open


def view(array: NDArray[Any], scalar: type[S]) -> NDArray[S]:
    """The same bytes as elements of another type; the last axis, which must be contiguous, shrinks or grows.

    The files are little-endian, as is every machine that has a Vulkan driver.
    """
    return array.view(scalar)  # pyright: ignore[reportUnknownMemberType]  # an overload of the stub is open
