"""How the host's arrays reach the attention kernels: blocks of a cache, each pair with the header of its pass."""

from collections.abc import Iterable, Iterator

from kernelc.npu.attention import TILES, Shape
from kernelc.npu.budget import Budget, Tally
from kernelc.npu.dma import Bd, Column, counted, memref
from kernelc.npu.spec import HostArgument, NpuKernelSpec, NpuWork
from kernelc.npu.tasks import Listing, Transfer
from kernelrt.npu.attention import UNBOUNDED, WORDS, Stream
from kernelrt.npu.hardware import ITERATIONS


def blocks(
    column: int, stream: Stream, key_rows: int, head: int, base: int, shape: Shape, arguments: tuple[HostArgument, ...]
) -> Iterator[Transfer]:
    """The blocks of one KV head, whose cache begins at element `base` of k and v; its header at word `head` of
    passes.
    """
    k, v, passes = (memref(a.elements, a.dtype) for name in ("k", "v", "passes") for a in arguments if a.name == name)
    header = Bd("passes", passes, head, WORDS)
    d = shape.head_dim
    block = key_rows * d
    for entry, count in stream.runs:
        for at in range(0, count, ITERATIONS):
            n = min(ITERATIONS, count - at)
            offset = base + entry * d + at * block
            # Of four dimensions the outermost is what a BD moves on by each time it runs.
            dims = ((n, block), (2, block // 2), (key_rows // 2, d), (d, 1)) if n > 1 else ()
            pair = (Bd("k", k, offset, block, dims), Bd("v", v, offset, block, dims))
            yield Transfer(column, "MM2S", 1, (header, *pair), n - 1)


def finished(
    name: str,
    family: str,
    shape: Shape,
    params: dict[str, object],
    arguments: tuple[HostArgument, ...],
    columns: tuple[Column, ...],
    sequences: Iterable[Listing],
    buffers: tuple[tuple[str, int], ...],
    work: NpuWork,
    tags: dict[str, int | str],
) -> NpuKernelSpec:
    """The spec, if it fits: raises InputError with what was counted where it does not."""
    listings = tuple(sequences)
    first = columns[0]
    fullest = max(
        (tile for column in columns for tile in column.tiles), key=lambda tile: sum(len(c.bds) for c in tile.chains)
    )
    budget = Budget(
        (
            Tally("compute", buffers, counted(fullest.chains), len(fullest.locks)),
            Tally("memory", tuple((b.name, b.nbytes) for b in first.buffers), counted(first.chains), len(first.locks)),
        )
    )
    budget.check(name)
    shown = {
        "columns": columns,
        "arguments": ", ".join(f"%{a.name} : {memref(a.elements, a.dtype)}" for a in arguments),
        "sequences": listings,
    }
    found = {
        "capacity": shape.capacity,
        "window": shape.window or 0,
        "dtype": shape.dtype,
        "spread": shape.spread,
        **tags,
    }
    return NpuKernelSpec(
        name,
        family,
        tuple(sorted({**params, **shown}.items())),
        arguments,
        tuple(listing.name for listing in listings),
        work,
        budget,
        tuple(sorted(found.items())),
    )


def pairs(shape: Shape) -> int:
    """Queries times the keys that each sees, of a head in the sequence with the largest start."""
    return sum(min(max(shape.starts) + row + 1, shape.window or UNBOUNDED) for row in range(shape.rows))


def dealt(items: Iterable[tuple[int, int, int]], turns: int) -> Iterator[list[tuple[int, tuple[int, int, int]]]]:
    """(column, item) of each round: by the first number of an item where there are `turns` of it for all columns,
    else in turn.
    """
    work: list[list[tuple[int, int, int]]] = [[] for _ in range(TILES)]
    for i, item in enumerate(items):
        work[(item[0] if turns >= TILES else i) % TILES].append(item)
    for turn in range(max(map(len, work))):
        yield [(column, mine[turn]) for column, mine in enumerate(work) if turn < len(mine)]
