"""Running the steps of a benchmark on an engine, and keeping every sample."""

from collections.abc import Callable
from time import perf_counter

import numpy as np

from kernelrt.ahead import pays
from kernelrt.bench.phase import Phase, Sample
from kernelrt.bench.report import Settings
from kernelrt.cost import Cost, decode_cost, prefill_cost
from kernelrt.engine import Engine
from kernelrt.gpu.errors import GpuError
from kernelrt.quant import QUANTS, Quant
from kernelrt.step import Step, StepTimes

WARM_UP = 0.5  # seconds of the same work before the first sample: an idle GPU takes as long to raise its clocks
_PROMPT_SEED = 0  # prompts are random tokens, and the same in every run


def warm_up(engine: Engine, settings: Settings) -> int:
    """The same work until the device is warm, at least once; gives how many iterations that took."""
    began, count = perf_counter(), 0
    while count == 0 or perf_counter() - began < WARM_UP:
        _iterate(engine, settings, _prompts(engine, settings, 0))
        count += 1
    return count


def measure(engine: Engine, settings: Settings, tell: Callable[[int], None]) -> tuple[Phase, Phase]:
    """Prefill and decode, `settings.iterations` times; `tell` hears of each iteration that is done.

    Raises GpuError where the device has no timestamps, and what the engine raises.
    """
    if not engine.device.timestamp_ns:
        raise GpuError(f"{engine.device.name} has no timestamps: GPU time cannot be told from the host's")
    prefill: list[Sample] = []
    decode: list[Sample] = []
    for iteration in range(settings.iterations):
        prompts, steps = _iterate(engine, settings, _prompts(engine, settings, iteration))
        prefill += prompts
        decode += steps
        tell(iteration + 1)
    together = (
        "one token of one sequence" if settings.batch == 1 else f"one token of each of {settings.batch} sequences"
    ) + " (wall clock from result to result; steps of less than 50 ms are submitted one ahead)"
    return (
        Phase("prefill", f"a prompt of {settings.prefill} tokens", tuple(prefill)),
        Phase("decode", together, tuple(decode)),
    )


def _prompts(engine: Engine, settings: Settings, iteration: int) -> list[list[int]]:
    random = np.random.default_rng((_PROMPT_SEED, iteration))
    return random.integers(0, engine.model.vocab, (settings.batch, settings.prefill)).tolist()


def _iterate(engine: Engine, settings: Settings, prompts: list[list[int]]) -> tuple[list[Sample], list[Sample]]:
    """Every prompt into its slot, then `settings.decode` steps of all of them, each with its greedy token.

    The first step's sample counts from its call on, the others from result to result.
    """
    model, formats, size = engine.model, engine.plan.formats, Quant.weight_bytes
    quant, embedding = QUANTS[formats.quant], QUANTS[formats.embedding]
    cost, tokens = prefill_cost(model, quant, embedding, settings.prefill, size), [0] * len(prompts)
    prefill: list[Sample] = []
    for slot, prompt in enumerate(prompts):
        began = perf_counter()
        tokens[slot] = engine.prefill(slot, prompt)
        prefill.append(_sample(engine, perf_counter() - began, cost))
    decode: list[Sample] = []
    end = settings.prefill + settings.decode
    times: list[StepTimes] = []
    began = perf_counter()
    for position in range(settings.prefill, end):
        steps = [Step(slot, token, position) for slot, token in enumerate(tokens)]
        tokens = engine.decode(steps, ahead=position + 1 < end and pays(times))
        known = perf_counter()
        times.append(engine.times)
        cost = decode_cost(model, quant, embedding, position + 1, len(prompts), size)
        decode.append(_sample(engine, known - began, cost))
        began = known
    return prefill, decode


def _sample(engine: Engine, wall_s: float, cost: Cost) -> Sample:
    times = engine.times
    assert times.gpu is not None  # the device has timestamps: `measure` looked
    return Sample(wall_s, times.gpu, times.host, cost)
