"""Buffers, mapped and staged: what is written comes back."""

import mmap
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from kernelrt.gpu import memory
from kernelrt.gpu.commands import copy_buffer
from kernelrt.gpu.device import Device
from kernelrt.gpu.errors import GpuError
from kernelrt.gpu.imported import Imported
from kernelrt.gpu.memory import Buffer, allocate, upload
from kernelrt.gpu.placement import Item, place


@pytest.fixture(scope="module")
def device() -> Iterator[Device]:
    with Device.open("llvmpipe") as opened:
        yield opened


# False: device memory behind staging copies, as on a discrete GPU.
both_kinds = pytest.mark.parametrize("host", [True, False])


@both_kinds
@pytest.mark.parametrize("nbytes", [1, 3, 16, 4097])
def test_bytes_come_back(device: Device, host: bool, nbytes: int) -> None:
    data = np.random.default_rng().integers(0, 256, nbytes, dtype=np.uint8).tobytes()
    with Buffer(device, nbytes, host) as buffer:
        buffer.write(data)
        assert buffer.read() == data
        assert buffer.nbytes == nbytes


@both_kinds
def test_a_part_is_written_and_read_in_place(device: Device, host: bool) -> None:
    with Buffer(device, 64, host) as buffer:
        buffer.fill(0)
        buffer.write(b"\x01\x02\x03", offset=5)
        assert buffer.read() == bytes(5) + b"\x01\x02\x03" + bytes(56)
        assert buffer.read(2, offset=6) == b"\x02\x03"
        buffer.write(b"", offset=64)
        assert buffer.read(0, offset=64) == b""


@both_kinds
def test_staging_in_several_parts(device: Device, host: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_STAGING", 1000)
    data = np.random.default_rng().integers(0, 256, 3501, dtype=np.uint8).tobytes()
    with Buffer(device, 3600, host) as buffer:
        buffer.fill(0)
        buffer.write(data, offset=7)
        assert buffer.read(3501, offset=7) == data
        assert buffer.read(7) == bytes(7)
        assert buffer.read(offset=3508) == bytes(92)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.uint32, np.int8])
def test_arrays_come_back(device: Device, dtype: Any) -> None:
    values = np.random.default_rng().integers(-100, 100, (7, 9)).astype(dtype)
    with upload(device, values) as buffer:
        read = buffer.array(dtype)
        np.testing.assert_array_equal(read, values.ravel())
        np.testing.assert_array_equal(buffer.array(dtype, count=2, offset=values.itemsize), values.ravel()[1:3])
        read[0] = 1  # a copy of the caller's own


def test_an_array_that_is_not_contiguous_is_written_in_c_order(device: Device) -> None:
    values = np.arange(12, dtype=np.float32).reshape(3, 4).T
    with upload(device, values) as buffer:
        np.testing.assert_array_equal(buffer.array(np.float32).reshape(4, 3), values)


@both_kinds
def test_fill_sets_every_word(device: Device, host: bool) -> None:
    with Buffer(device, 4 * 33, host) as buffer:
        buffer.fill(0x7FC00000)
        assert np.isnan(buffer.array(np.float32)).all()


def test_bytes_outside_are_refused(device: Device) -> None:
    with Buffer(device, 16) as buffer:
        with pytest.raises(GpuError, match=r"bytes 8\.\.24 are outside of a buffer of 16 bytes"):
            buffer.write(bytes(16), offset=8)
        with pytest.raises(GpuError, match="outside"):
            buffer.read(17)
        with pytest.raises(GpuError, match="outside"):
            buffer.read(4, offset=-1)
        with pytest.raises(GpuError, match="outside"):
            buffer.read(offset=20)


def test_impossible_sizes_are_refused(device: Device) -> None:
    with pytest.raises(GpuError, match="a buffer of 0 bytes"):
        Buffer(device, 0)
    with pytest.raises(GpuError, match=r"on llvmpipe.*vk\w+ failed: VK_ERROR_OUT_OF_DEVICE_MEMORY"):
        Buffer(device, 1 << 50)


def test_closing_twice_is_once(device: Device) -> None:
    buffer = Buffer(device, 16)
    buffer.close()
    buffer.close()


def test_buffers_of_a_placement_share_blocks_and_do_not_touch_each_other(device: Device) -> None:
    sizes = {"a": 5, "b": 4096, "c": 17, "d": 256}
    items = [Item(name, "test", nbytes) for name, nbytes in sizes.items()]
    placement = place(items, device.memory, device.info.max_storage_range, device.info.name)
    assert len(placement.blocks) == 1
    buffers = allocate(device, placement)
    data = {
        name: np.random.default_rng().integers(0, 256, nbytes, np.uint8).tobytes() for name, nbytes in sizes.items()
    }
    for name, buffer in buffers.items():
        buffer.write(data[name])
    assert {name: buffer.read() for name, buffer in buffers.items()} == data


def test_a_view_is_the_memory_itself(device: Device) -> None:
    with Buffer(device, 8, host=True) as buffer:
        buffer.view()[2:4] = b"ab"
        assert buffer.read(2, offset=2) == b"ab"
    with pytest.raises(GpuError, match="this Buffer is closed"):
        buffer.view()


def test_memory_of_the_host_is_used_where_it_lies(device: Device) -> None:
    """What the host writes there the device sees, and the other way round, with no copy between."""
    pages = mmap.mmap(-1, 4 * mmap.PAGESIZE)
    array = np.frombuffer(pages, np.uint32)
    block = Imported(device, array.ctypes.data, array.nbytes)
    ours, other = Buffer(device, 4096, at=(block, 4096)), Buffer(device, 4096)
    array[:] = np.arange(len(array))
    copy_buffer(device, ours.handle, 0, other.handle, 0, 4096)
    np.testing.assert_array_equal(other.array(np.uint32), array[1024:2048])
    ours.fill(7)
    assert set(array[1024:2048]) == {7}
    assert array[1023] == 1023
    assert array[2048] == 2048
    ours.view()[:4] = b"abcd"
    assert array[1024] == int.from_bytes(b"abcd", "little")
    for resource in (ours, other, block):
        resource.close()


def test_what_is_no_whole_pages_cannot_be_imported(device: Device) -> None:
    with pytest.raises(GpuError, match="it is no whole pages"):
        Imported(device, 4096 + 16, 4096)
    with pytest.raises(GpuError, match="it is no whole pages"):
        Imported(device, 4096, 100)
