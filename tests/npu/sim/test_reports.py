"""What a run counts, and the modelled clock."""

import json

import numpy as np
import pytest

from kernelrt.npu.hardware import Tile
from kernelrt.npu.sim.machine import Simulator
from tests.npu.sim.designs import core, design, fifo, get, numbers, put, sequence, simulate, whole, worker

N = 16 * 64
VECTOR = "memref<64xi32>"
IO = f"%a: memref<{N}xi32>, %b: memref<{N}xi32>"
TASKS = (("in", whole("a", N)), ("out", whole("b", N)))


def copying() -> str:
    body = [get("in", "Consume", VECTOR), get("out", "Produce", VECTOR)]
    for at in range(0, 64, 16):
        body.append(f"%i{at} = arith.constant {at} : index")
        body.append(f"%v{at} = vector.load %in[%i{at}] : {VECTOR}, vector<16xi32>")
        body.append(f"vector.store %v{at}, %out[%i{at}] : {VECTOR}, vector<16xi32>")
    ends = fifo("in", "%s, {%t2}", VECTOR) + fifo("out", "%t2, {%s}", VECTOR)
    return ends + core("t2", "\n".join([*body, put("in", "Consume"), put("out", "Produce")])) + sequence(IO, *TASKS)


def test_a_copy_is_as_fast_as_the_stream() -> None:
    """4 bytes a cycle: N words take N cycles, and what an object needs on its way through is on top."""
    a, b = numbers(N), np.zeros(N, np.int32)
    report = simulate(copying(), a, b)
    np.testing.assert_array_equal(a, b)
    assert N + 2 * 64 <= report.cycles <= N + 4 * 64
    assert {c.moved for c in report.counts.channels} == {4 * N}


def test_a_core_that_computes_is_what_the_channels_wait_for() -> None:
    """One loop iteration is a load, an addition and a store: one cycle at best, so objects of 64 take at least 64."""
    a, b = numbers(N), np.zeros(N, np.int32)
    ends = fifo("in", "%s, {%t2}", VECTOR) + fifo("out", "%t2, {%s}", VECTOR)
    slow = worker("t2", 64).replace(
        "%new = ", "%x = arith.muli %old, %old : i32\n%y = arith.muli %x, %x : i32\n%new = "
    )
    fast, long = (simulate(ends + body + sequence(IO, *TASKS), a.copy(), b) for body in (worker("t2", 64), slow))
    (one,), (other,) = fast.counts.cores, long.counts.cores
    assert one.tile == Tile(0, 2)
    assert other.scalar_ops - one.scalar_ops == 2 * N
    assert one.cycles >= N
    assert other.cycles > one.cycles
    assert long.cycles > fast.cycles
    stalls = {(c.tile.row, c.direction): c.stalls for c in long.counts.channels}
    assert stalls[2, "S2MM"] > 0


def product(dtype: str, inner: int, wide: str) -> str:
    columns = 4 if dtype == "bf16" else 8
    a, b, c = f"memref<4x{inner}x{dtype}>", f"memref<{inner}x{columns}x{dtype}>", f"memref<4x{columns}x{wide}>"
    va, vb, vc = f"vector<4x{inner}", f"vector<{inner}x{columns}", f"vector<4x{columns}x{wide}>"
    extend, zero = ("arith.extf", "0.0") if dtype == "bf16" else ("arith.extsi", "0")
    maps = ", ".join(f"affine_map<(m, n, k) -> ({two})>" for two in ("m, k", "k, n", "m, n"))
    body = f"""
      {get("a", "Consume", a)}
      {get("b", "Consume", b)}
      {get("c", "Produce", c)}
      %z = arith.constant {zero} : {dtype}
      %zz = arith.constant dense<{zero}> : {vc}
      %x = vector.transfer_read %a[%c0, %c0], %z {{in_bounds = [true, true]}} : {a}, {va}x{dtype}>
      %y = vector.transfer_read %b[%c0, %c0], %z {{in_bounds = [true, true]}} : {b}, {vb}x{dtype}>
      %xx = {extend} %x : {va}x{dtype}> to {va}x{wide}>
      %yy = {extend} %y : {vb}x{dtype}> to {vb}x{wide}>
      %r = vector.contract {{indexing_maps = [{maps}], iterator_types = ["parallel", "parallel", "reduction"],
        kind = #vector.kind<add>}} %xx, %yy, %zz : {va}x{wide}>, {vb}x{wide}> into {vc}
      vector.transfer_write %r, %c[%c0, %c0] {{in_bounds = [true, true]}} : {vc}, {c}
      {put("a", "Consume")}
      {put("b", "Consume")}
      {put("c", "Produce")}"""
    ends = fifo("a", "%s, {%t2}", a) + fifo("b", "%s, {%t2}", b) + fifo("c", "%t2, {%s}", c)
    tasks = "\n".join(
        f"""%k{name} = aiex.dma_configure_task_for @{name} {{
          aie.dma_bd(%{name} : {type})
          aie.end
        }} {{issue_token = true}}
        aiex.dma_start_task(%k{name})"""
        for name, type in (("a", a), ("b", b), ("c", c))
    )
    done = "aiex.dma_await_task(%kc)"
    return ends + core("t2", body) + f"aie.runtime_sequence(%a: {a}, %b: {b}, %c: {c}) {{\n{tasks}\n{done}\n}}"


@pytest.mark.parametrize(("dtype", "wide", "columns"), [("bf16", "f32", 4), ("i8", "i32", 8)])
def test_macs_by_the_dtype_of_the_factors(dtype: str, wide: str, columns: int) -> None:
    if dtype == "bf16":
        a, b = (
            np.random.default_rng(s).integers(0x3F80, 0x4000, n).astype(np.uint16)
            for s, n in ((0, (4, 8)), (1, (8, 4)))
        )
        c = np.zeros((4, columns), np.float32)
        fa, fb = ((x.astype(np.uint32) << 16).view(np.float32) for x in (a, b))
    else:
        a, b = numbers(32, np.int8).reshape(4, 8), numbers(64, np.int8, 1).reshape(8, 8)
        c = np.zeros((4, columns), np.int32)
        fa, fb = a.astype(np.int32), b.astype(np.int32)
    report = simulate(product(dtype, 8, wide), a, b, c)
    np.testing.assert_allclose(c, fa @ fb, rtol=1e-6)
    assert report.counts.cores[0].macs == ((dtype, 4 * 8 * columns),)
    assert report.macs == 4 * 8 * columns


def test_the_report_as_json_and_as_text() -> None:
    report = Simulator(design(copying())).run(None, [numbers(N), np.zeros(N, np.int32)])
    described = json.loads(json.dumps(report.describe()))
    assert described["modelled"]["cycles"] == report.cycles
    assert "not measured" in described["modelled"]["note"]
    assert [channel["bytes"] for channel in described["channels"]] == [4 * N] * 4
    assert described["cores"][0]["tile"] == [0, 2]
    text = report.text()
    assert text.count("\n") == 7
    assert "modelled, not measured" in text
    assert f"{'(0, 2) S2MM 0':<18}{4 * N:>16,}" in text
