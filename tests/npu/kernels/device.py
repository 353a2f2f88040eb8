"""A kernel of the NPU on the simulator: random inputs in, results in fp64 out."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kernelc.npu import attention_decode, attention_prefill
from kernelc.npu.attention import Cut, Shape
from kernelc.npu.render import render
from kernelc.npu.spec import NpuKernelSpec
from kernelrt.npu.attention import serving
from kernelrt.npu.sim.machine import Options, Simulator
from kernelrt.npu.sim.report import Report
from kernelrt.npu.text.load import load
from tests.oracle.npu_numbers import F64, from_bf16, to_bf16

POISON = 0x7FC0  # a NaN in bf16
LIMIT_S = 300.0


def machine(spec: NpuKernelSpec) -> Simulator:
    """The kernel's design, loaded; memory that was never written is poisoned."""
    return Simulator(load(render(spec), f"{spec.name}.mlir"), Options(poison=True, limit_s=LIMIT_S))


def run(simulator: Simulator, sequence: str, *arrays: NDArray[np.generic]) -> Report:
    """One run of a sequence; the arrays are the arguments in their order."""
    report = simulator.run(sequence, [array.reshape(-1) for array in arrays])
    assert not report.warnings, report.warnings
    return report


@dataclass(frozen=True)
class Inputs:
    """q, k and v as the kernel takes them, and what they stand for. int8: scores are products times 2^-shift."""

    q: NDArray[np.generic]
    k: NDArray[np.generic]
    v: NDArray[np.generic]
    exact: tuple[F64, F64, F64]
    shift: int = 0
    factor: float = 1.0


def inputs(shape: Shape, decode: bool, rng: np.random.Generator, spread: float = 3.0) -> Inputs:
    """Signed random numbers; `spread` is the standard deviation of scores in binary orders, roughly."""
    d, cache = shape.head_dim, (shape.kv_heads, shape.capacity, shape.head_dim)
    queries = (shape.batch, shape.heads, d) if decode else (shape.heads, shape.rows, d)
    cache = (shape.batch, *cache) if decode else cache
    q, k, v = (rng.standard_normal(size) for size in (queries, cache, cache))
    q *= spread / np.sqrt(d)
    if shape.dtype == "bf16":
        q, k, v = to_bf16(q), to_bf16(k), to_bf16(v)
        return Inputs(q, k, v, (from_bf16(q), from_bf16(k), from_bf16(v)))
    scales = [np.abs(x).max() / 127 for x in (k, v)]
    # The score's scale is a power of two: queries are rounded in units that make it so, as large as they can be.
    shift = int(np.floor(np.log2(127 / (np.abs(q).max() * scales[0]))))
    units = (scales[0] * 2.0**shift, 1 / scales[0], 1 / scales[1])
    q, k, v = (np.rint(x * unit).astype(np.int8) for x, unit in zip((q, k, v), units, strict=True))
    exact = q * 2.0**-shift, k.astype(np.float64), v * scales[1]
    return Inputs(q, k, v, exact, shift, float(scales[1]))


def prefill(shape: Shape, start: int, rows: int, given: Inputs, cut: Cut | None = None) -> tuple[F64, Report]:
    """attention_prefill of `rows` queries from `start` on: out of these rows."""
    cut = cut or attention_prefill.tuned(shape, "prefill")
    spec = attention_prefill.spec(shape, "prefill", cut)
    chunk = attention_prefill.chunk_of(shape, cut)
    named, at = serving(start, shape.starts, shape.spread, shape.capacity, shape.window)
    headers = [
        chunk.header(i, start, rows, chunk.stream(i, at, shape.spread), given.shift, given.factor)
        for i in range(chunk.passes)
    ]
    out = np.full((shape.rows, shape.heads, shape.head_dim), POISON, np.uint16)
    passes = np.array([headers] * shape.kv_heads, np.int32)
    report = run(machine(spec), f"start_{named}", given.q, given.k, given.v, out, passes)
    return from_bf16(out)[:rows], report


def decode(shape: Shape, positions: tuple[int | None, ...], given: Inputs) -> tuple[F64, Report]:
    """attention_decode twice with the same machine: the second run finds what the first left behind."""
    cut = attention_decode.tuned(shape, "decode")
    spec = attention_decode.spec(shape, "decode", cut)
    chunk = attention_decode.chunk_of(shape, cut)
    last = max(p for p in positions if p is not None)
    named, at = serving(last, shape.starts, shape.spread, shape.capacity, shape.window)
    stream = chunk.stream(0, at, shape.spread)
    headers = [chunk.header(0, p or 0, int(p is not None), stream, given.shift, given.factor) for p in positions]
    passes = np.repeat(np.array(headers, np.int32)[:, None], shape.kv_heads, 1)
    simulator = machine(spec)
    outs = [np.full((shape.batch, shape.heads, shape.head_dim), POISON, np.uint16) for _ in range(2)]
    reports = [run(simulator, f"start_{named}", given.q, given.k, given.v, out, passes) for out in outs]
    assert np.array_equal(outs[0], outs[1])
    return from_bf16(outs[1]), reports[1]
