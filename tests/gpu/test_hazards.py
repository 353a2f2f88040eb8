"""Which dispatches of a sequence wait: those that need what others write, or write what others need."""

import pytest

from kernelc.buckets import Buckets
from kernelrt.calls import Call
from kernelrt.gpu.device import Device
from kernelrt.gpu.hazards import waits
from kernelrt.model import ModelSpec
from kernelrt.run_plan import Options, plan_run
from tests.fixtures.engine import bundle_of


@pytest.mark.parametrize(
    ("work", "expected"),
    [
        (["r:a w:b", "r:b w:c"], [False, True]),  # it reads what was written
        (["r:a w:b", "r:b w:c follows", "r:c w:d follows"], [False, False, False]),  # it waits itself
        (["r:a w:b", "r:b w:c follows", "r:b w:d"], [False, False, True]),  # and what is behind for all of them
        (["w:a", "r:b w:c", "r:a r:c w:d follows"], [False, False, True]),  # but not for what the one in front does not
        (["r:a w:b", "r:c w:a"], [False, True]),  # it writes what was read
        (["r:a w:b", "r:c w:b"], [False, True]),  # both write
        (["r:a w:b", "r:a w:c"], [False, False]),  # both read
        (["r:a w:b", "r:c w:d", "r:b w:e"], [False, False, True]),  # not the neighbour, the one before
        (["r:a w:b", "r:b w:c", "r:a w:d", "r:b w:e", "r:c w:f"], [False, True, False, False, True]),
        (["r:a w:b", "r:b w:c", "r:x w:b"], [False, True, True]),  # a barrier forgets what lies before it, not behind
    ],
)
def test_work_waits_for_what_it_needs(work: list[str], expected: list[bool]) -> None:
    assert waits(_access(line) for line in work) == expected


def _access(line: str) -> tuple[set[str], set[str], bool]:
    named = [word.split(":") for word in line.removesuffix("follows").split()]
    return {name for _, name in named}, {name for how, name in named if how == "w"}, line.endswith("follows")


def test_a_chunk_goes_into_the_caches_beside_the_output_projection(device: Device) -> None:
    bundle = bundle_of(ModelSpec.load("tiny"), Buckets(seq=(64,), batch=(1,), quant="q4_0"))
    plan = plan_run(bundle, device.info, Options())
    for calls in plan.prefill.values():
        free = [call for call, wait in zip(calls, waits(access_of(call) for call in calls), strict=True) if not wait]
        assert [call.kernel.family for call in free] == ["embedding", "seen", *["o_proj"] * plan.model.layers]
    for calls in plan.decode.values():
        assert not any(wait is False for wait in waits(access_of(call) for call in calls)[1:])


def access_of(call: Call) -> tuple[set[str], set[str], bool]:
    pairs = list(zip(call.kernel.bindings, call.buffers, strict=True))
    return {name for _, name in pairs}, {name for binding, name in pairs if binding.access != "r"}, call.follows
