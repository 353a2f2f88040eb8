"""The weight formats' sizes, against the `gguf` package's and in numbers."""

import gguf
import pytest

from kernelrt.quant import BODY_QUANTS, QUANTS

TYPES = {name: gguf.GGMLQuantizationType[name.upper()] for name in QUANTS}


@pytest.mark.parametrize("name", QUANTS)
def test_blocks_are_those_of_gguf(name: str) -> None:
    form = QUANTS[name]
    assert (form.block, form.block_bytes) == gguf.GGML_QUANT_SIZES[TYPES[name]]
    assert form.file_bytes(3, 512) == 3 * 512 // form.block * form.block_bytes


@pytest.mark.parametrize(
    ("name", "plane", "scales"), [("q4_0", 16, 2), ("q8_0", 32, 2), ("f16", 64, 0), ("q6_k", 32, 8)]
)
def test_bytes_of_32_weights_on_the_device(name: str, plane: int, scales: int) -> None:
    form = QUANTS[name]
    assert form.plane_bytes(7, 512) == 7 * 16 * plane
    assert form.scale_bytes(7, 512) == 7 * 16 * scales
    assert form.unit * plane == 32 * 16  # 16 bytes a lane
    assert form.scaled == (scales > 0)


def test_a_row_is_padded_to_whole_blocks_of_32() -> None:
    assert QUANTS["q4_0"].weight_bytes(2, 33) == QUANTS["q4_0"].weight_bytes(2, 64) == 2 * 36
    assert QUANTS["f16"].weight_bytes(1, 40) == 128
    assert QUANTS["f16"].file_bytes(1, 40) == 80


def test_every_format_but_q6_k_is_one_of_the_layers() -> None:
    assert set(QUANTS) - set(BODY_QUANTS) == {"q6_k"}
