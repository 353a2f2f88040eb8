"""Designs as text, and how the tests of the simulator run them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernelrt.npu.design import Design
from kernelrt.npu.sim.machine import Options, Simulator
from kernelrt.npu.sim.report import Report
from kernelrt.npu.text.load import load

SEEDS = (None, 1, 2, 3)  # orders in which actors go on; no result may depend on them


def design(body: str) -> Design:
    """A device with the tiles of column 0 (%s, %m, %t2 to %t5) and of column 1 (%s1, %m1, %u2, %u3)."""
    tiles = {f"t{row}": (0, row) for row in (2, 3, 4, 5)}
    tiles |= {"s": (0, 0), "m": (0, 1), "s1": (1, 0), "m1": (1, 1), "u2": (1, 2), "u3": (1, 3)}
    used = "\n".join(f"%{name} = aie.tile({c}, {r})" for name, (c, r) in tiles.items() if f"%{name}" in body)
    return load(f"module {{ aie.device(npu1) {{\n{used}\n{body}\n}} }}", "test.mlir")


def simulate(body: str, *arrays: NDArray[Any], poison: bool = False, depth: int = 32) -> Report:
    """Runs the only sequence in several orders, each on fresh arrays, and leaves the result in `arrays`. All orders
    agree bit for bit, in what they count too."""
    loaded = design(body)
    first: Report | None = None
    results: Sequence[NDArray[Any]] = ()
    for seed in SEEDS:
        copies = [array.copy() for array in arrays]
        report = Simulator(loaded, Options(seed=seed, poison=poison, limit_s=20, depth=depth)).run(None, copies)
        if first is None:
            first, results = report, copies
        for one, other in zip(results, copies, strict=True):
            np.testing.assert_array_equal(one, other)
        assert _moved(first) == _moved(report)
    assert first is not None
    for array, result in zip(arrays, results, strict=True):
        array[...] = result
    return first


def _moved(report: Report) -> list[tuple[object, ...]]:
    channels = [(c.tile, c.direction, c.index, c.moved) for c in report.counts.channels]
    return [*channels, *((c.tile, c.macs, c.vector_ops, c.scalar_ops) for c in report.counts.cores)]


def fifo(name: str, ends: str, type: str, depth: str = "2 : i32", attributes: str = "") -> str:
    return f"aie.objectfifo @{name}({ends}, {depth}) {attributes} : !aie.objectfifo<{type}>"


def get(name: str, port: str, type: str, count: int = 1, index: int = 0, value: str | None = None) -> str:
    """Acquires and gives one object the name of the fifo (or `value`)."""
    view, value = f"%{value or name}_view", value or name
    held = f"!aie.objectfifosubview<{type}>"
    return (
        f"{view} = aie.objectfifo.acquire @{name}({port}, {count}) : {held}\n"
        f"%{value} = aie.objectfifo.subview.access {view}[{index}] : {held} -> {type}"
    )


def put(name: str, port: str, count: int = 1) -> str:
    return f"aie.objectfifo.release @{name}({port}, {count})"


def core(tile: str, body: str, rounds: int | None = None) -> str:
    """A core that repeats `body`, without end unless `rounds` says; %c0, %c1 and %one (i32) are there."""
    end = 9223372036854775807 if rounds is None else rounds
    return f"""
    %core_{tile} = aie.core(%{tile}) {{
      %c0 = arith.constant 0 : index
      %c1 = arith.constant 1 : index
      %one = arith.constant 1 : i32
      %rounds = arith.constant {end} : index
      scf.for %round = %c0 to %rounds step %c1 {{
        {body}
      }}
      aie.end
    }}"""


def each(count: int, body: str) -> str:
    """A loop over %i."""
    return f"%n = arith.constant {count} : index\nscf.for %i = %c0 to %n step %c1 {{\n{body}\n}}"


def add_one(source: str, target: str, count: int, type: str = "i32") -> str:
    """target[i] = source[i] + 1"""
    return each(
        count,
        f"""%old = memref.load %{source}[%i] : memref<{count}x{type}>
        %new = arith.addi %old, %one : {type}
        memref.store %new, %{target}[%i] : memref<{count}x{type}>""",
    )


def worker(tile: str, count: int, source: str = "in", target: str = "out") -> str:
    """A core that takes objects of `source`, adds one and gives them to `target`."""
    type = f"memref<{count}xi32>"
    body = [get(source, "Consume", type), get(target, "Produce", type), add_one(source, target, count)]
    return core(tile, "\n".join([*body, put(source, "Consume"), put(target, "Produce")]))


def sequence(arguments: str, *tasks: tuple[str, str], awaits: Sequence[int] | None = None) -> str:
    """Starts a task for each (fifo, BD); awaits the last one, or those of the numbers given."""
    waited = [len(tasks) - 1] if awaits is None else awaits
    lines: list[str] = []
    for number, (name, bd) in enumerate(tasks):
        token = " {issue_token = true}" if number in waited else ""
        lines.append(f"%task{number} = aiex.dma_configure_task_for @{name} {{ aie.dma_bd({bd}) aie.end }}{token}")
        lines.append(f"aiex.dma_start_task(%task{number})")
    lines += [f"aiex.dma_await_task(%task{number})" for number in waited]
    lines += [f"aiex.dma_free_task(%task{number})" for number in range(len(tasks)) if number not in waited]
    return f"aie.runtime_sequence({arguments}) {{\n" + "\n".join(lines) + "\n}"


def numbers(count: int, dtype: type[np.signedinteger[Any]] = np.int32, seed: int = 0) -> NDArray[Any]:
    """Random, signed, over the dtype's whole range."""
    info = np.iinfo(dtype)
    return np.random.default_rng(seed).integers(info.min, info.max, count, dtype, endpoint=True)


def memcpy(
    name: str, argument: str, total: int, id: int, count: int | None = None, at: int = 0, token: bool = False
) -> str:
    """An npu.dma_memcpy_nd over part of an argument of `total` words."""
    where = f"%{argument}[0, 0, 0, {at}][1, 1, 1, {total if count is None else count}][0, 0, 0, 1]"
    more = ", issue_token = true" if token else ""
    return f"aiex.npu.dma_memcpy_nd({where}) {{metadata = @{name}, id = {id} : i64{more}}} : memref<{total}xi32>\n"


def whole(name: str, count: int, dtype: str = "i32", offset: int = 0, total: int | None = None) -> str:
    """A BD over part of an argument."""
    return f"%{name} : memref<{total or count}x{dtype}>, {offset}, {count}"


LOCKED = """
    aie.use_lock(%{acquire}, AcquireGreaterEqual, 1)
    aie.dma_bd({bd})
    aie.use_lock(%{release}, Release, 1)"""


def lock(name: str, tile: str, id: int, init: int) -> str:
    return f'%{name} = aie.lock(%{tile}, {id}) {{init = {init} : i32, sym_name = "{name}"}}\n'


def buffer(name: str, tile: str, type: str, value: str = "") -> str:
    return f'%{name} = aie.buffer(%{tile}) {{sym_name = "{name}"}} : {type}{value}\n'


def looping(index: int, channel: str, acquire: str, bd: str, release: str, tail: str = "") -> str:
    """Blocks of an aie.mem: one BD that follows itself. The chain of starts goes on at ^start<index + 1>."""
    block = LOCKED.format(acquire=acquire, bd=bd, release=release)
    return f"""
    %dma{index} = aie.dma_start({channel}, ^bd{index}, ^start{index + 1})
  ^bd{index}:{block}{tail}
    aie.next_bd ^bd{index}
  ^start{index + 1}:"""
