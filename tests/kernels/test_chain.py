"""A link of a chain that waits in vain: the device must not hang, and nobody may take the results for numbers."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kernelc.buckets import Buckets
from kernelc.plan import plan
from kernelc.render import render
from kernelc.target import TargetSpec
from kernelrt.chain import STEP
from kernelrt.gpu.device import Device
from kernelrt.model import ModelSpec
from tests.kernels.chains import links
from tests.kernels.harness import POISON, execute
from tests.kernels.on_device import every_case

TEMPLATES = Path(__file__).resolve().parents[2] / "templates" / "glsl" / "lib"


def test_what_others_write_meanwhile_is_not_readonly() -> None:
    """On an H200 loads of a readonly buffer were moved to before the wait, and ffn_down of a batch gave NaN."""
    (declared, *_) = render(next(links(every_case(TargetSpec.load("host"), ["qkv"]))).spec).split("void ")
    lines = [line for line in declared.splitlines() if " nonprivate " in line]
    assert any(" branch[" in line for line in lines)
    assert not [line for line in lines if "readonly" in line]


def test_every_link_waits_arrives_and_spoils_what_it_gave_up() -> None:
    """In the forms that lavapipe cannot run, too."""
    chain = (TEMPLATES / "chain.glsl").read_text()
    specs = plan(ModelSpec.load("gemma27b"), TargetSpec.load("h200"), Buckets((512,), batch=(1, 32)))
    links = [spec for spec in specs if spec.chained]
    assert {spec.param.get("form", "") for spec in links} == {"", "gemv", "direct", "coopmat"}
    for spec in links:
        _, after = render(spec).split(chain)
        assert "await();" in after
        assert "arrive();" in after
        assert re.search(r"\*=? in_time", after), spec.name


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
