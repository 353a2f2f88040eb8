"""Times the kernels of a plan on a real GPU: `python benchmarks/kernels.py --target h200 --device NVIDIA`.

Each kernel runs many times in one recording, with a barrier after each dispatch, over several
sets of its large inputs, so that weights and KV cache come from memory and not from a cache; a figure is the median
over rounds of the shorter of two runs (kernelc/measure.py). Inputs are random. The share is of
the roofline: the time that the target's bandwidth or arithmetic needs at the least, over the time measured. Level:
measured, on the device that the output names.
"""

import argparse
import fnmatch
import json
import math
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from kernelc.buckets import Buckets
from kernelc.kernel import KernelSpec
from kernelc.measure import REPEATS, ROUNDS, Bench, compete
from kernelc.plan import plan
from kernelc.render import render
from kernelc.target import TargetSpec
from kernelc.toolchain import glslang
from kernelrt.gpu.device import Device
from kernelrt.model import ModelSpec

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
    """The kernel's time, alone on the device (kernelc.measure)."""
    with Bench(device, repeats) as bench:
        [(ns,)] = compete([[bench.trial(spec, glslang.compile(render(spec), spec.name))]], rounds)
    moved = spec.work.bytes_read + spec.work.bytes_written
    peak = target.fp16_tflops if spec.param.get("form") in ("coopmat", "direct") else target.fp32_tflops
    floor = max(moved / target.bandwidth_gbs, spec.work.flops / peak / 1000) if target.bandwidth_gbs else math.nan
    return Figure(spec.name, spec.work.rows, ns / 1000, moved / ns, spec.work.flops / ns / 1000, floor / ns)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="gemma27b")
    parser.add_argument("--target", required=True)
    parser.add_argument("--device", help="part of the device's name")
    parser.add_argument("--quant", default="q4_0")
    parser.add_argument("--embedding-quant", default="", help="as --quant unless given")
    parser.add_argument("--seq", default="512,2048,8192")
    parser.add_argument("--only", default="*", help="patterns of kernel names, with commas between")
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
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
