"""Where buffers go: heaps of a discrete GPU, of an APU and of a CPU, without any of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelrt.gpu.heaps import DeviceMemory, Heap, MemoryType
from kernelrt.gpu.placement import ALIGNMENT, Item, OutOfMemoryError, Place, place, usable

GIB = 1 << 30
LOCAL = MemoryType(0, device_local=True, visible=False, cached=False)
HOST = MemoryType(1, device_local=False, visible=True, cached=False)
CACHED = MemoryType(1, device_local=False, visible=True, cached=True)
WINDOW = MemoryType(0, device_local=True, visible=True, cached=False)
NONE = MemoryType(0, device_local=False, visible=False, cached=False)


def _memory(vram: int, host: int, *types: MemoryType) -> DeviceMemory:
    return DeviceMemory((Heap(vram, vram, True), Heap(host, host, False)), types, 4 * GIB)


APU = _memory(16 * GIB, 24 * GIB, LOCAL, HOST, WINDOW, CACHED)


def _place(items: list[Item], memory: DeviceMemory = APU, max_range: int = 4 * GIB) -> tuple[Place, ...]:
    return place(items, memory, max_range, "a device").places


def test_the_devices_heap_is_filled_first_and_the_rest_goes_to_the_host() -> None:
    items = [Item(f"w{i}", "weights", GIB) for i in range(28)]
    places = _place(items)
    heaps = [APU.types[p.memory_type].heap for p in places]
    assert heaps == [0] * 15 + [1] * 13  # a 32nd part of the 16 GiB stays free
    assert all(APU.types[p.memory_type] == LOCAL for p in places[:15])


@pytest.mark.parametrize(
    ("use", "expected"), [("device", LOCAL), ("upload", WINDOW), ("staging", CACHED), ("readback", CACHED)]
)
def test_each_use_has_its_kind_of_memory(use: str, expected: MemoryType) -> None:
    (found,) = _place([Item("a", "x", 100, use)])  # pyright: ignore[reportArgumentType]  # one of the four
    assert APU.types[found.memory_type] == expected


@pytest.mark.parametrize("use", ["upload", "staging", "readback"])
def test_without_the_best_kind_the_next_one_serves(use: str) -> None:
    memory = _memory(GIB, GIB, NONE, LOCAL, HOST)
    (found,) = _place([Item("a", "x", 100, use)], memory)  # pyright: ignore[reportArgumentType]  # one of the three
    assert memory.types[found.memory_type] == HOST


def test_what_cannot_fit_is_refused_with_the_numbers() -> None:
    items = [Item(f"w{i}", "weights", GIB) for i in range(40)] + [Item("k", "KV cache", 5 * 10**8)]
    with pytest.raises(OutOfMemoryError) as refused:
        _place(items)
    message = str(refused.value)
    assert "a device has too little memory: 43.4 GB are needed (weights 42.9 GB, KV cache 500.0 MB)" in message
    assert "16.6 GB of 17.2 GB of the device, 25.0 GB of 25.8 GB of the host" in message
    assert "\n" not in message


def test_what_no_kernel_can_bind_is_refused_by_name() -> None:
    with pytest.raises(OutOfMemoryError, match=r"embedding\.w takes 200\.0 MB; a device binds at most 134\.2 MB"):
        _place([Item("embedding.w", "weights", 200_000_000)], max_range=1 << 27)


def test_a_driver_that_reports_less_free_memory_is_believed() -> None:
    memory = DeviceMemory((Heap(16 * GIB, GIB, True),), (LOCAL,), 4 * GIB)
    assert usable(memory, 0) == GIB // 2
    with pytest.raises(OutOfMemoryError):
        _place([Item("w", "weights", GIB)], memory)


_USES = st.sampled_from(["device", "upload", "staging", "readback"])
_ITEMS = st.lists(st.tuples(st.integers(1, 3 * GIB), _USES), max_size=40)


@given(_ITEMS, st.integers(1, 40), st.integers(0, 40))
def test_buffers_never_overlap_nor_leave_their_block_or_heap(
    wanted: list[tuple[int, str]], vram: int, host: int
) -> None:
    memory = _memory(vram * GIB, host * GIB, LOCAL, HOST, WINDOW, CACHED)
    items = [
        Item(f"i{i}", "x", nbytes, use)  # pyright: ignore[reportArgumentType]  # one of the four
        for i, (nbytes, use) in enumerate(wanted)
    ]
    try:
        placement = place(items, memory, 4 * GIB, "a device")
    except OutOfMemoryError:
        return
    assert [p.item for p in placement.places] == items
    taken = [0, 0]
    for kind, nbytes in placement.blocks:
        taken[memory.types[kind].heap] += nbytes
        assert nbytes <= memory.max_block
    assert all(taken[heap] <= usable(memory, heap) for heap in (0, 1))
    ends: dict[int, int] = {}
    for found in placement.places:
        assert found.offset % ALIGNMENT == 0
        assert found.offset >= ends.get(found.block, 0)
        ends[found.block] = found.offset + found.item.nbytes
        kind, nbytes = placement.blocks[found.block]
        assert kind == found.memory_type
        assert ends[found.block] <= nbytes
