"""Steps as chains: barriers around them alone, and the logits of steps with barriers."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kernelc.buckets import Buckets
from kernelc.target import TargetSpec
from kernelrt.bundle import Bundle
from kernelrt.calls import BEFORE, PARAMS, Call
from kernelrt.chain import HERE, is_link
from kernelrt.gpu.device import Device
from kernelrt.gpu.hazards import waits
from kernelrt.model import ModelSpec
from kernelrt.run_plan import Options, plan_run
from kernelrt.step import Step
from tests.fixtures.checkpoints import write_folder
from tests.fixtures.engine import bundle_of, engine_of
from tests.gpu.test_hazards import access_of
from tests.oracle.weights import tensors

HOST = Path(__file__).resolve().parents[2] / "kernelc" / "targets" / "host.toml"
MODEL = ModelSpec.load("tiny")
BUCKETS = Buckets(seq=(64,), batch=(1,), quant="q8_0")
PROMPT, STEPS = [2, 17, 40, 300], 20  # past the end of the local layers' rings


@pytest.fixture(scope="module")
def chains(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A bundle for a target that is as lavapipe is, and knows chains."""
    path = tmp_path_factory.mktemp("target") / "chains.toml"
    path.write_text(HOST.read_text().replace("shared_memory", "chains = true\nshared_memory", 1))
    return bundle_of(MODEL, BUCKETS, str(path))


def test_a_step_is_one_chain(device: Device, chains: Bundle) -> None:
    plan = plan_run(chains, device.info, Options())
    (calls,) = plan.decode.values()
    _counters_of_a_chain(calls, 5)


def test_a_step_of_a_batch_in_matrix_units_is_one_chain(device: Device) -> None:
    """As planned for a device that has them; lavapipe has none."""
    target = TargetSpec.load("h200")
    limits = {"max_subgroup": 32, "shared_memory": target.shared_memory, "max_workgroup": target.max_workgroup}
    info = replace(device.info, features=target.features, subgroup=32, min_subgroup=32, **limits)
    bundle = bundle_of(MODEL, Buckets(seq=(64,), batch=(1, 9), quant="q8_0"), "h200")
    plan = plan_run(bundle, info, Options(batch=9))
    one, nine = _counters_of_a_chain(plan.decode[1], 5), _counters_of_a_chain(plan.decode[9], 7)
    assert not one & nine, "steps of one size are counted apart from those of another"


def _counters_of_a_chain(calls: Sequence[Call], each: int) -> set[str]:
    """The counters of a step that is one chain of `each` links a layer, behind the embedding."""
    links = [is_link(call.kernel.bindings) for call in calls]
    assert links == [False] + [True] * each * MODEL.layers
    barriers = waits(access_of(call) for call in calls)
    assert barriers == [False, True] + [False] * (each * MODEL.layers - 1)
    counters = [_bound(call) for call, link in zip(calls, links, strict=True) if link]
    own = [bound[HERE] for bound in counters]
    assert len(set(own)) == len(own), "a link that begins long before its turn would take another's counter for its own"
    assert [bound[BEFORE] for bound in counters] == [PARAMS, *own[:-1]]
    return set(own)


def _bound(call: Call) -> dict[str, str]:
    return {binding.name: name for binding, name in zip(call.kernel.bindings, call.buffers, strict=True)}


def test_a_chain_gives_what_steps_with_barriers_give(tmp_path: Path, chains: Bundle) -> None:
    assert len(PROMPT) + STEPS > MODEL.window
    weights = write_folder(tmp_path, MODEL, tensors(MODEL, 5, branch=8.0))
    found: list[list[np.ndarray]] = []
    for bundle in (bundle_of(MODEL, BUCKETS), chains):
        with engine_of(bundle, weights) as engine:
            token, rows = engine.prefill(0, PROMPT), list[np.ndarray]()
            for position in range(len(PROMPT), len(PROMPT) + STEPS):
                (token,) = engine.decode([Step(0, token, position)])
                rows.append(engine.logits())
            found.append(rows)
    np.testing.assert_array_equal(found[1], found[0])
