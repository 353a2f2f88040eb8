"""Access patterns of BDs against the definition: element by element."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernelrt.npu.bd import Bd, Dim, Pad
from kernelrt.npu.place import Place
from kernelrt.npu.sim.pattern import Pattern, PatternError

HERE = Place(1, 1)
WORDS = 4096


def bd(offset: int, length: int, dims: tuple[Dim, ...] = (), pads: tuple[Pad, ...] = ()) -> Bd:
    return Bd("buffer", offset, length, dims, pads, None, None, None, None, None, HERE)


def elements(described: Bd) -> list[int | None]:
    """Index of each element of the stream; None for padding."""
    dims = described.dims or (Dim(described.length, 1),)
    pads = described.pads or (Pad(0, 0),) * len(dims)
    inner = int(np.prod([dim.size for dim in dims[1:]]))
    outer = dims[0].size if described.pads else -(-described.length // inner)
    sizes = [outer, *(dim.size for dim in dims[1:])]
    found: list[int | None] = []
    for at in itertools.product(*(range(-p.before, n + p.after) for n, p in zip(sizes, pads, strict=True))):
        inside = all(0 <= i < n for i, n in zip(at, sizes, strict=True))
        index = described.offset + sum(i * dim.stride for i, dim in zip(at, dims, strict=True))
        found.append(index if inside else None)
    return found[: described.length]


dims = st.lists(st.builds(Dim, st.integers(1, 5), st.integers(0, 40)), max_size=4).map(tuple)


@settings(max_examples=300, deadline=None)
@given(dims, st.integers(0, 30), st.sampled_from([1, 2, 4]), st.data())
def test_what_goes_on_the_stream(found: tuple[Dim, ...], offset: int, item: int, data: st.DataObject) -> None:
    whole = int(np.prod([dim.size for dim in found]))
    length = data.draw(st.integers(max(1, whole // 2), 2 * whole))
    described = bd(offset, length, found)
    order = [index for index in elements(described) if index is not None]
    memory = np.random.default_rng(0).integers(0, 256, WORDS, np.uint8)
    expected = memory.reshape(-1, item)[np.array(order)].reshape(-1)
    reading, writing = Pattern.of(described, item, False), Pattern.of(described, item, True)
    np.testing.assert_array_equal(reading.gather(memory), expected)
    assert (reading.start, reading.end) == (min(order) * item, (max(order) + 1) * item)
    written, by_hand = np.zeros(WORDS, np.uint8), np.zeros(WORDS, np.uint8)
    count = data.draw(st.sampled_from([length * item, length * item // 2]))
    stream = np.random.default_rng(1).integers(0, 256, count, np.uint8)
    writing.scatter(written, stream)
    for n, value in enumerate(stream):
        by_hand[order[n // item] * item + n % item] = value
    np.testing.assert_array_equal(written, by_hand)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 4), st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=3), st.data())
def test_padding_is_zeros(shape: list[tuple[int, int, int]], data: st.DataObject) -> None:
    sizes = [size for size, _, _ in shape]
    strides = [int(np.prod(sizes[i + 1 :])) for i in range(len(sizes))]
    pads = tuple(Pad(before, after) for _, before, after in shape)
    whole = int(np.prod([size + before + after for size, before, after in shape]))
    length = data.draw(st.integers(1, whole))
    described = bd(3, length, tuple(Dim(n, s) for n, s in zip(sizes, strides, strict=True)), pads)
    memory = np.random.default_rng(0).integers(1, 256, WORDS, np.uint8)
    items = memory.view(np.uint32)
    expected = np.array([0 if i is None else items[i] for i in elements(described)], np.uint32)
    np.testing.assert_array_equal(Pattern.of(described, 4, False).gather(memory).view(np.uint32), expected)


def test_one_piece_is_a_view_of_the_memory() -> None:
    """A BD that is contiguous however it is written costs no copy."""
    memory = np.zeros(256, np.uint8)
    for described in (bd(4, 16), bd(4, 16, (Dim(4, 4), Dim(4, 1))), bd(4, 16, (Dim(1, 99), Dim(16, 1)))):
        assert np.shares_memory(Pattern.of(described, 2, False).gather(memory), memory)


@pytest.mark.parametrize(
    "wrong",
    [
        bd(-1, 4),
        bd(0, 4, (Dim(0, 1),)),
        bd(0, 4, (Dim(4, -1),)),
        bd(0, 4, (Dim(2, 2), Dim(2, 1)), (Pad(1, 1),)),
        bd(0, 99, (Dim(4, 1),), (Pad(1, 1),)),
    ],
)
def test_what_is_no_transfer(wrong: Bd) -> None:
    with pytest.raises(PatternError):
        Pattern.of(wrong, 4, False)
    Pattern.of(replace(wrong, offset=0, length=4, dims=(), pads=()), 4, False)
