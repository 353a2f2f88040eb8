"""The NPU's kernels at the size of a model, simulated: `python benchmarks/npu.py [--only PATTERN] [--json FILE]`.

Prints the README's table. Memory and multiply-accumulates are the plan's; bytes between host and array, and errors
against fp64, are those of the simulated run. Cycles are modelled (kernelrt.npu.sim.cycles), and so is each share of the
peak (16 tiles, 128 bf16 or 256 int8 multiply-accumulates a cycle each): the products that the definition needs over all
that the tiles could do. Nothing of it was measured on an NPU.
"""

import argparse
import fnmatch
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from kernelc.buckets import Buckets
from kernelc.npu import attention_decode, attention_prefill, gemm_bf16, gemm_int8
from kernelc.npu.attention import Shape
from kernelc.npu.plan import CHUNK, planned
from kernelc.npu.spec import MACS_PER_CYCLE, NpuDtype, NpuKernelSpec
from kernelrt.model import ModelSpec
from kernelrt.npu.sim.cycles import CLOCK_HZ
from kernelrt.npu.sim.report import Report
from tests.npu.kernels import device
from tests.oracle import npu_attention
from tests.oracle.npu_numbers import from_bf16, relative, to_bf16

PUBLISHED = {"gemm_bf16": 3.14, "gemm_int8": 6.76}  # 10^12 operations a second on XDNA1: arXiv 2512.13282
SEQUENCES = (1024, 4096)
DTYPES: tuple[NpuDtype, ...] = ("bf16", "i8")


@dataclass(frozen=True)
class Figure:
    """One kernel's run. Bytes are of the fullest tile of a kind, `moved` between host and array. `seconds`: what the
    simulation took, machine and all; `tops`: 10^12 operations a second, modelled at 1 GHz."""

    kernel: str
    tiles: int
    compute_bytes: int
    memory_bytes: int
    moved: int
    macs: int
    cycles: int
    share: float
    tops: float
    error: float
    seconds: float


def figure(spec: NpuKernelSpec, report: Report, error: float, seconds: float) -> Figure:
    dtype = str(dict(spec.tags)["dtype"])
    share = spec.work.macs / (report.cycles * spec.work.tiles * MACS_PER_CYCLE[dtype])
    tops = 2 * spec.work.macs * CLOCK_HZ / report.cycles / 1e12
    own = spec.budget.memory("compute"), spec.budget.memory("memory")
    moved = sum(channel.moved for channel in report.counts.channels if channel.tile.row == 0)
    return Figure(spec.name, spec.work.tiles, *own, moved, spec.work.macs, report.cycles, share, tops, error, seconds)


def prefill(name: str, shape: Shape) -> Figure:
    """The whole chunk of the largest start."""
    start, given = max(shape.starts), device.inputs(shape, False, np.random.default_rng())
    began = time.monotonic()
    found, report = device.prefill(shape, start, shape.rows, given)
    took = time.monotonic() - began
    wanted = npu_attention.prefill(*given.exact, start, shape.rows, shape.window)
    return figure(attention_prefill.spec(shape, name), report, relative(found, wanted), took)


def decode(name: str, shape: Shape) -> Figure:
    positions = tuple(max(shape.starts) for _ in range(shape.batch))
    given = device.inputs(shape, True, np.random.default_rng())
    began = time.monotonic()
    found, report = device.decode(shape, positions, given)
    took = time.monotonic() - began
    wanted = npu_attention.decode(*given.exact, positions, shape.window)
    return figure(attention_decode.spec(shape, name), report, relative(found, wanted), took)


def gemm(spec: NpuKernelSpec) -> Figure:
    rng = np.random.default_rng()
    (rows, depth), (columns, _), _ = (argument.shape for argument in spec.arguments)
    began = time.monotonic()
    if spec.family == "gemm_bf16":
        a, b = to_bf16(rng.standard_normal((rows, depth))), to_bf16(rng.standard_normal((columns, depth)))
        out = np.full((rows, columns), device.POISON, np.uint16)
        report = device.run(device.machine(spec), "all", a, b, out)
        error = relative(from_bf16(out), from_bf16(a) @ from_bf16(b).T)
    else:
        a, b = (rng.integers(-128, 128, (n, depth)).astype(np.int8) for n in (rows, columns))
        out = np.full((rows, columns), -1, np.int32)
        report = device.run(device.machine(spec), "all", a, b, out)
        error = relative(out.astype(np.float64), a.astype(np.float64) @ b.astype(np.float64).T)
    return figure(spec, report, error, time.monotonic() - began)


def cases(model: ModelSpec) -> dict[str, Callable[[], Figure]]:
    """Name -> what measures it: the kernels of a bundle for these capacities at the last position that a sequence of
    instructions is for, and in int8 too, which no bundle has; the projections before attention of a chunk.
    """
    measured: dict[str, Callable[[], Figure]] = {}
    for kernel, dtype in product(planned(model, Buckets(seq=SEQUENCES)), DTYPES):
        heads, ring = (model.heads, model.kv_heads, model.head_dim), kernel.ring
        shape = Shape(*heads, ring.keys, ring.window or None, kernel.starts, kernel.spread, ring.rows, dtype=dtype)
        what = prefill if kernel.phase == "prefill" else decode
        name = f"{kernel.name(dtype)}, from {max(shape.starts)}"
        measured[name] = lambda what=what, name=name, shape=shape: what(name, shape)
    rows, columns = CHUNK, (model.heads + 2 * model.kv_heads) * model.head_dim
    for family, module in (("gemm_bf16", gemm_bf16), ("gemm_int8", gemm_int8)):
        name = f"{family}, {rows} x {columns} x {model.hidden}"
        spec = module.spec(rows, columns, model.hidden, name)
        measured[name] = lambda spec=spec: gemm(spec)
    return measured


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="gemma27b")
    parser.add_argument("--only", default="*", help="a pattern of kernel names")
    parser.add_argument("--json", metavar="FILE", help="also write the figures here")
    arguments = parser.parse_args()
    model = ModelSpec.load(arguments.model)
    print("| kernel | tiles | compute tile | memory tile | MB | MMACs | kcycles | of peak | error | s |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    figures: list[Figure] = []
    for name, measure in cases(model).items():
        if not fnmatch.fnmatch(name, arguments.only):
            continue
        f = measure()
        figures.append(f)
        sizes = f"{f.tiles} | {f.compute_bytes} | {f.memory_bytes} | {f.moved / 1e6:.1f} | {f.macs / 1e6:.0f}"
        modelled = f"{f.cycles / 1e3:.0f} | {100 * f.share:.0f} %"
        print(f"| {f.kernel} | {sizes} | {modelled} | {f.error:.1e} | {f.seconds:.1f} |", flush=True)
    for f in figures:
        if published := PUBLISHED.get(f.kernel.partition(",")[0]):
            print(
                f"{f.kernel}: {f.tops:.2f} TOPS modelled at 1 GHz; measured by others: {published} (arXiv 2512.13282)"
            )
    if arguments.json:
        Path(arguments.json).write_text(json.dumps([asdict(f) for f in figures], indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
