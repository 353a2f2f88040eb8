"""A benchmark from its bundle to its report."""

from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from kernelrt.bench.measure import measure, warm_up
from kernelrt.bench.report import Report, Settings
from kernelrt.bench.roofline import Roof, stated_peak
from kernelrt.bundle import Bundle
from kernelrt.commands.progress import progress
from kernelrt.commands.weights import Source
from kernelrt.cost import weight_bytes
from kernelrt.engine import Engine
from kernelrt.errors import InputError
from kernelrt.gpu.device import choose, devices
from kernelrt.quant import QUANTS, Quant
from kernelrt.run_plan import Options, bucket_sizes, plan_run, totals
from kernelrt.survey import describe

# Bytes that the read rate is measured on: as many as the weights have, but no more than what is beyond every cache, and
# no less than what keeps all workgroups of the kernel reading: else their launch would be measured.
_LEAST_READ, _MOST_READ = 64 << 20, 1 << 30
_READS = 20  # samples of the bandwidth


def measured(path: Path, source: Source, settings: Settings, device: str | None) -> Report:
    """Raises InputError where the bundle cannot hold that many tokens, RunError where a figure is impossible."""
    bundle = Bundle.open(path)
    context, most = settings.prefill + settings.decode, bucket_sizes(bundle, "seq")[-1]
    if context > most:
        raise InputError(
            f"--prefill {settings.prefill} and --decode {settings.decode} need {context} tokens of context; the bundle "
            f"has {most}: take fewer, or build one with `kernelc build --seq {context}`"
        )
    found = devices()
    info = found[choose(found, device)]
    plan = plan_run(bundle, info, Options(device, context, settings.batch, exact=settings.exact))
    formats = plan.formats
    read = weight_bytes(plan.model, QUANTS[formats.quant], QUANTS[formats.embedding], Quant.weight_bytes)
    scratch = min(max(read, _LEAST_READ), _MOST_READ, info.max_storage_range) // 16 * 16
    options = Options(device, context, settings.batch, scratch, settings.exact)
    with ExitStack() as stack:
        tell = stack.enter_context(progress())
        weights = stack.enter_context(source.open())
        engine = stack.enter_context(Engine.open(bundle, weights, options, tell))
        tell("warm-up", 0, 1)
        warm = warm_up(engine, settings)
        tell("warm-up", 1, 1)
        rates = [rate / 1e9 for rate in engine.measure_read(_READS)]
        phases = measure(engine, settings, lambda done: tell("iterations", done, settings.iterations))
        categories = totals(engine.plan.items)
        report = Report(
            subject={
                "bundle": str(path),
                "model": engine.model.name,
                "target": bundle.manifest.target["name"],
                "quant": formats.quant,
                "embedding": formats.embedding,
                "weights": source.describe(),
            },
            device=describe(engine.device),
            settings=settings,
            warm_up=warm,
            bandwidth_gbs=tuple(rates),
            roof=Roof(max(rates), stated_peak(bundle.manifest.target, engine.device.name)),
            phases=phases,
            memory={"total": sum(categories.values()), "categories": categories},
            load=asdict(engine.load_report),
        )
    report.check()
    return report
