"""What a device learns of the order of a cooperative matrix: lavapipe has none, so a kernel stands in."""

import numpy as np
import pytest

from kernelc.toolchain import glslang
from kernelrt.gpu.device import Device
from kernelrt.gpu.lanes import FEATURE, is_mma, look

# As an H200 (driver 580.159) shows it: 16 row + k of the eight elements of lanes 0, 1, 4 and 31.
SEEN = {
    0: (0, 1, 8, 9, 128, 129, 136, 137),
    1: (2, 3, 10, 11, 130, 131, 138, 139),
    4: (16, 17, 24, 25, 144, 145, 152, 153),
    31: (118, 119, 126, 127, 246, 247, 254, 255),
}
PLACE = "(lane / 4 + e / 4 * 8) * 16 + lane % 4 * 2 + e % 2 + e / 2 % 2 * 8"


def shows(place: str) -> bytes:
    """A kernel that leaves what `coopmat_lanes` would, with `place` of each `lane` and element `e` of both factors."""
    source = f"""#version 460
        layout(local_size_x = 32, local_size_x_id = 0) in;
        layout(set = 0, binding = 0, std430) writeonly buffer Places {{ uint places[]; }};
        void main() {{
            const uint lane = gl_LocalInvocationID.x;
            for (uint e = 0; e < 8; ++e) for (uint use = 0; use < 2; ++use) places[(use * 32 + lane) * 8 + e] = {place};
        }}"""
    return glslang.compile(source, "shows")


@pytest.mark.parametrize(
    ("place", "learned"),
    [
        (PLACE, True),
        ("lane * 8 + e", False),
        (f"use == 0 ? {PLACE} : {PLACE.replace('e / 4 * 8', 'e / 2 % 2 * 8')}", False),  # another order in B alone
        (f"use == 1 ? {PLACE} : lane * 8 + e", False),
        (f"lane == 31 && e == 7 ? 0 : {PLACE}", False),
    ],
)
def test_a_device_learns_the_order_that_it_shows(place: str, learned: bool) -> None:
    with Device.open("llvmpipe") as device:
        assert FEATURE not in device.info.features
        look(device, shows(place), 0)
        assert (FEATURE in device.info.features) == learned


def test_the_order_is_that_of_the_h200() -> None:
    lane, e = np.arange(32, dtype=np.uint32)[:, None], np.arange(8, dtype=np.uint32)
    known = (lane // 4 + e // 4 * 8) * 16 + lane % 4 * 2 + e % 2 + e // 2 % 2 * 8
    assert {row: tuple(known[row]) for row in SEEN} == SEEN
    assert is_mma(np.stack([known, known]).ravel())
    assert not is_mma(np.stack([known, known[::-1]]).ravel())
    assert not is_mma(known.ravel())
    assert not is_mma(np.full(2 * known.size, 0xFFFFFFFF, np.uint32))  # nothing was written
