"""The way in: what it needs, where it is in a hurry, and the hardware's limits."""

import subprocess
import sys
from pathlib import Path

import pytest

from kernelrt.npu import hardware
from kernelrt.npu.hardware import Tile
from kernelrt.npu.text.load import load
from tests.npu.text.programs import device

RUNTIME = Path(__file__).resolve().parents[3] / "runtime"


def test_without_xdsl_the_error_says_what_to_install() -> None:
    script = (
        f"import sys; sys.path.insert(0, {str(RUNTIME)!r}); sys.modules['xdsl'] = None\n"
        "from kernelrt.npu.errors import NpuError\n"
        "from kernelrt.npu.text.load import load\n"
        "try: load('', 'x.mlir')\n"
        "except NpuError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "xdsl is not installed: pip install 'kernelrt[sim]'"


def test_quoted_words_and_comments_in_a_core_are_read_as_such() -> None:
    body = """
%t = aie.tile(0, 2)
%l = aie.lock(%t, 0)
%c = aie.core(%t) {
  // aie.use_lock(%gone, Release, 99) }
  aie.use_lock(%l, "AcquireGreaterEqual", 1)
  aie.end // {
}
"""
    core = load(device(body), "c.mlir").cores[0]
    assert core.names == {"%l": ("lock", "l")}
    assert "%gone" in core.text


@pytest.mark.parametrize(
    ("tile", "memory", "reached"),
    [
        (Tile(1, 3), Tile(1, 3), True),
        (Tile(1, 3), Tile(0, 3), True),  # west
        (Tile(1, 3), Tile(2, 3), False),
        (Tile(1, 3), Tile(1, 4), True),
        (Tile(1, 3), Tile(1, 2), True),
        (Tile(1, 2), Tile(1, 1), False),  # the memory tile to the south
        (Tile(1, 1), Tile(2, 1), True),
        (Tile(1, 1), Tile(3, 1), False),
        (Tile(1, 0), Tile(0, 0), False),
    ],
)
def test_a_tile_reaches_its_neighbours(tile: Tile, memory: Tile, reached: bool) -> None:
    assert hardware.reaches(tile, memory) is reached


def test_channels_of_a_memory_tile_use_bds_of_their_parity() -> None:
    assert [list(hardware.bds_of_channel(Tile(0, 1), index))[::23] for index in range(2)] == [[0, 23], [24, 47]]
    assert len(hardware.bds_of_channel(Tile(0, 2), 1)) == 16
