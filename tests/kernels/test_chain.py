"""A link of a chain that waits in vain: the device must not hang, and nobody may take the results for numbers."""

from dataclasses import replace

import numpy as np
import pytest

from kernelc.render import render
from kernelc.target import TargetSpec
from kernelrt.chain import STEP
from kernelrt.gpu.device import Device
from tests.kernels.chains import links
from tests.kernels.harness import POISON, execute
from tests.kernels.on_device import every_case


def test_what_others_write_meanwhile_is_not_readonly() -> None:
    """On an H200 loads of a readonly buffer were moved to before the wait, and ffn_down of a batch gave NaN."""
    (declared, *_) = render(next(links(every_case(TargetSpec.load("host"), ["qkv"]))).spec).split("void ")
    lines = [line for line in declared.splitlines() if " nonprivate " in line]
    assert any(" branch[" in line for line in lines)
    assert not [line for line in lines if "readonly" in line]


@pytest.mark.parametrize("family", ["qkv", "attn_decode", "norm"])
def test_what_waits_in_vain_gives_nan_and_arrives(device: Device, family: str) -> None:
    case = next(links(every_case(TargetSpec.load("host"), [family])))
    params = replace(case.params, step=3 * STEP)
    behind = np.array([3 * STEP - 1], np.uint32)  # all but one have arrived
    outputs = execute(device, case.spec, {**case.arrays, "before": behind}, params, case.capacity, case.quantities)
    (name,) = (name for name in case.expected if name.startswith("out_"))
    live = np.isfinite(case.expected[name].ravel()) & (case.expected[name].ravel() != 0)  # tails are zero
    assert live.any()
    result = outputs[name][: live.size]
    assert np.isnan(result[live]).all()
    assert (result[live].view(f"u{result.itemsize}") != POISON >> (32 - 8 * result.itemsize)).all(), "unwritten"
    assert outputs["here"].tolist() == [8 * STEP]
