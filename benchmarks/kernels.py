"""Times the kernels of a plan on a real GPU: `python benchmarks/kernels.py --target h200 --device NVIDIA`.

Each kernel runs many times in one recording, with a full barrier after each dispatch as in the model, over several
sets of its large inputs, so that weights come from memory and not from a cache. Inputs are random. The share is of
the roofline: the time that the target's bandwidth or arithmetic needs at the least, over the time measured. Level:
measured, on the device that the output names.
"""

import argparse
import fnmatch
import json
import math
import statistics
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from kernelc.buckets import MAX_BATCH, Buckets
from kernelc.kernel import Binding, KernelSpec
from kernelc.plan import plan
from kernelc.render import render
from kernelc.target import TargetSpec
from kernelc.toolchain import glslang
from kernelrt.abi import specialization
from kernelrt.gpu.descriptors import Dispatch
from kernelrt.gpu.device import Device
from kernelrt.gpu.memory import Buffer
from kernelrt.gpu.pipeline import Pipeline
from kernelrt.gpu.run import Recording
from kernelrt.model import ModelSpec
from kernelrt.params import Params, Sequence

CACHE = 256 << 20  # bytes of large inputs in rotation: several times any device's last cache
LARGE = 1 << 20
WARM_UP = 0.3  # seconds of the same work before it is timed: an idle GPU needs as long to raise its clocks
SKIPPED = ("repack", "rope_table")  # they run once, at load


@dataclass(frozen=True)
class Figure:
    """One kernel's time, what it moved and computed in it, and its share of the roofline."""

    kernel: str
    rows: int
    microseconds: float
    gigabytes_per_second: float
    teraflops: float
    share: float


def measure(device: Device, spec: KernelSpec, target: TargetSpec, repeats: int, rounds: int) -> Figure:
    """The median over `rounds` of the mean time of `repeats` dispatches."""
    rng = np.random.default_rng()
    slots = spec.work.rows if spec.work.rows <= MAX_BATCH else 1  # a prefill chunk is of one sequence
    quantities = {"rows": spec.work.rows, "slots": slots, "words": spec.work.bytes_read // 16}
    sizes = {binding.name: binding.nbytes(**quantities) for binding in spec.bindings}
    large = [b for b in spec.bindings if b.access == "r" and sizes[b.name] >= LARGE]
    sets = min(16, math.ceil(CACHE / sum(sizes[b.name] for b in large))) if large else 1
    first = {b.name: _buffer(device, b, sizes[b.name], spec, rng) for b in spec.bindings}
    further = [{b.name: _buffer(device, b, sizes[b.name], spec, rng) for b in large} for _ in range(sets - 1)]
    constants = specialization(spec.workgroup, spec.constants)
    spirv = glslang.compile(render(spec), spec.name)
    pipeline = Pipeline(device, spirv, len(sizes), constants, spec.subgroup, name=spec.name)
    x, y, z = (dim.size(rows=spec.work.rows) for dim in spec.grid)
    bound = [tuple({**first, **some}[name] for name in sizes) for some in ({}, *further)]
    dispatches = [Dispatch(pipeline, bound[i % sets], (x, y, z)) for i in range(repeats)]
    with Recording(device, dispatches, timed=True) as recording:
        warm = time.monotonic() + WARM_UP
        while time.monotonic() < warm:
            recording.run()
        times = [(recording.run() or math.nan) / repeats for _ in range(rounds)]
    pipeline.close()
    for buffer in (*first.values(), *(b for some in further for b in some.values())):
        buffer.close()
    ns = statistics.median(times)
    moved = spec.work.bytes_read + spec.work.bytes_written
    peak = target.fp16_tflops if spec.param.get("form") == "coopmat" else target.fp32_tflops
    floor = max(moved / target.bandwidth_gbs, spec.work.flops / peak / 1000) if target.bandwidth_gbs else math.nan
    return Figure(spec.name, spec.work.rows, ns / 1000, moved / ns, spec.work.flops / ns / 1000, floor / ns)


def _buffer(device: Device, binding: Binding, nbytes: int, spec: KernelSpec, rng: np.random.Generator) -> Buffer:
    """Random where the kernel computes with it, zero where it counts or collects."""
    buffer = Buffer(device, nbytes)
    halves = binding.dtype.startswith("f16") or binding.name.endswith("cache") or spec.param.get("quant") == "f16"
    if binding.dtype == "params":
        rows, end = spec.work.rows, int(spec.param.get("capacity", 512))
        sequences = tuple(Sequence(end - 1, slot=i, penalty=1.1) for i in range(min(rows, MAX_BATCH)))
        buffer.write(Params(rows, start=max(0, end - rows), sequences=sequences).pack())
    elif binding.dtype.startswith("f32"):
        buffer.write(rng.standard_normal(nbytes // 4, dtype=np.float32))
    elif halves:
        buffer.write((rng.standard_normal(nbytes // 2, dtype=np.float32) * 0.05).astype(np.float16))
    elif binding.access == "r" and binding.name not in ("tokens", "row_max"):
        buffer.write(rng.integers(0, 2**32, nbytes // 4, dtype=np.uint32))
    else:
        buffer.fill(0)
    return buffer


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="gemma27b")
    parser.add_argument("--target", required=True)
    parser.add_argument("--device", help="part of the device's name")
    parser.add_argument("--quant", default="q4_0")
    parser.add_argument("--embedding-quant", default="", help="as --quant unless given")
    parser.add_argument("--seq", default="512,2048,8192")
    parser.add_argument("--only", default="*", help="patterns of kernel names, with commas between")
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", metavar="FILE", help="also write the figures here")
    arguments = parser.parse_args()
    target = TargetSpec.load(arguments.target)
    seq = tuple(int(n) for n in arguments.seq.split(","))
    buckets = Buckets(seq, quant=arguments.quant, embedding=arguments.embedding_quant)
    specs = [
        spec
        for spec in plan(ModelSpec.load(arguments.model), target, buckets)
        if spec.family not in SKIPPED and any(fnmatch.fnmatch(spec.name, p) for p in arguments.only.split(","))
    ]
    figures: list[Figure] = []
    with Device.open(arguments.device) as device:
        formats = f"{buckets.quant}, embedding {buckets.embedding}"
        print(f"measured on {device.info.name} ({device.info.driver}); {arguments.model}, {formats}")
        print(f"{'kernel':44} {'rows':>5} {'us':>9} {'GB/s':>8} {'TFLOP/s':>8} {'of roofline':>11}")
        for spec in specs:
            figure = measure(device, spec, target, arguments.repeats, arguments.rounds)
            figures.append(figure)
            print(
                f"{figure.kernel:44} {figure.rows:5} {figure.microseconds:9.1f} {figure.gigabytes_per_second:8.0f} "
                f"{figure.teraflops:8.2f} {figure.share:11.1%}",
                flush=True,
            )
    if arguments.json:
        Path(arguments.json).write_text(json.dumps([asdict(figure) for figure in figures], indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
