"""Steps as chains: barriers around them alone, and the logits of steps with barriers."""

from pathlib import Path

import numpy as np
import pytest

from kernelc.buckets import Buckets
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
    links = [is_link(call.kernel.bindings) for call in calls]
    assert links == [False] + [True] * 5 * MODEL.layers, "the embedding, then five links a layer"
    barriers = waits(access_of(call) for call in calls)
    assert barriers == [False, True] + [False] * (5 * MODEL.layers - 1)
    counters = [_bound(call) for call, link in zip(calls, links, strict=True) if link]
    own = [bound[HERE] for bound in counters]
    assert len(set(own)) == len(own), "a link that begins long before its turn would take another's counter for its own"
    assert [bound[BEFORE] for bound in counters] == [PARAMS, *own[:-1]]


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
