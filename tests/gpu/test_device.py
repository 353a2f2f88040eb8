"""Devices: listing, choosing, opening. They run on lavapipe, Mesa's CPU device."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from kernelrt.gpu.device import Device, choose, devices
from kernelrt.gpu.errors import GpuError
from kernelrt.gpu.features import FEATURES, DeviceInfo


@pytest.fixture(scope="module")
def lavapipe() -> Iterator[DeviceInfo]:
    with Device.open("llvmpipe") as device:
        yield device.info


def test_lavapipe_is_what_it_is(lavapipe: DeviceInfo) -> None:
    assert lavapipe.device_type == "cpu"
    assert lavapipe.api >= (1, 3, 0)
    assert lavapipe.subgroup in (4, 8, 16)
    assert lavapipe.min_subgroup <= lavapipe.subgroup <= lavapipe.max_subgroup
    assert lavapipe.shared_memory >= 32768
    assert lavapipe.max_storage_range >= 1 << 27
    assert "Mesa" in lavapipe.driver


def test_lavapipe_has_the_features_that_the_cpu_target_needs(lavapipe: DeviceInfo) -> None:
    needed = {"float16", "storage16", "int8", "storage8", "subgroup", "integer_dot", "memory_model"}
    assert needed <= lavapipe.features <= set(FEATURES)
    assert "bfloat16" not in lavapipe.features
    assert "coopmat_f16" not in lavapipe.features


def test_devices_lists_the_one_that_is_opened(lavapipe: DeviceInfo) -> None:
    assert lavapipe in devices()


def test_choice_by_name_index_and_preference(lavapipe: DeviceInfo) -> None:
    null = replace(lavapipe, name="Null hardware (RADV PHOENIX)", device_type="integrated")
    old = replace(lavapipe, name="Old discrete", device_type="discrete", api=(1, 2, 0))
    integrated = replace(lavapipe, name="Radeon 780M", device_type="integrated")
    discrete = replace(lavapipe, name="NVIDIA H200", device_type="discrete")
    found = [null, old, lavapipe, integrated, discrete]
    assert choose(found, None) == 4
    assert choose(found[:4], None) == 3
    assert choose(found[:3], None) == 2
    assert choose(found, "radeon") == 3
    assert choose(found, "Null hardware") == 0
    assert choose(found, "1") == 1


def test_a_choice_that_fits_nothing_names_what_there_is(lavapipe: DeviceInfo) -> None:
    with pytest.raises(GpuError, match=r"no Vulkan device matches 'voodoo' \(found 0: llvmpipe"):
        choose([lavapipe], "voodoo")
    with pytest.raises(GpuError, match="matches '7'"):
        choose([lavapipe], "7")
    null = replace(lavapipe, name="Null hardware (RADV PHOENIX)")
    with pytest.raises(GpuError, match=r"no Vulkan 1\.3 device that can run \(found 0: Null hardware"):
        choose([null], None)
    with pytest.raises(GpuError, match="found none"):
        choose([], None)
