"""attention_decode: one query a head of each of `batch` sequences, on the NPU.

    out[b][h] = softmax2(q[b][h] K^T) V,  keys at positions max(0, p - window + 1) .. p of sequence b

As attention_prefill, with q and out [batch, heads, head_dim], k and v [batch, kv_heads, capacity, head_dim] (a ring
has room for the window at least), passes i32 [batch, kv_heads, 8]: kernelrt.npu.attention.Chunk.header of one row;
sequences with 0 rows give zeros. Blocks of keys go to the four tiles of a column in turn, or to all sixteen where
there are too few KV heads for the columns; each tile has the same queries, and what the tiles found is merged from
the top of a column down, then eastwards.

A sequence of instructions, `start_P`, serves positions P - spread + 1 .. P of all sequences of the batch.
"""

from collections.abc import Iterator

from kernelc.npu.attention import TILES, Cut, Shape, TileBuffers, core_params, tile_buffers
from kernelc.npu.budget import Tally
from kernelc.npu.dma import Bd, Buffer, Chain, Column, Dims, Tile, Use, blocked, memref
from kernelc.npu.spec import ITEM_BYTES, HostArgument, NpuKernelSpec, NpuWork
from kernelc.npu.stream import blocks, finished, pairs
from kernelc.npu.tasks import Listing, Transfer, ordered
from kernelrt.errors import InputError
from kernelrt.npu.attention import WORDS, Chunk, Stream

_KEYS = (64, 32, 16)


def split(shape: Shape) -> int:
    """Columns that share a KV head."""
    return max(1, TILES // (shape.batch * shape.kv_heads)) if shape.batch * shape.kv_heads != 3 else 1


def tuned(shape: Shape, name: str) -> Cut:
    """The largest blocks of keys that fit and leave a block for every tile."""
    quads = -(-shape.group // 4)
    rows = 4 * quads if quads < 2 else -(-shape.group // 8) * 8
    for key_rows in _KEYS:
        cut = Cut(rows, key_rows, 1, 1 if quads < 2 else 2)
        if shape.capacity % (key_rows * TILES * split(shape)):
            continue
        if not Tally("compute", tile_buffers(shape, cut, decode=True), (), 0).faults():
            return cut
    least = _KEYS[-1] * TILES * split(shape)
    raise InputError(f"{name}: a cache of {shape.capacity} entries is no multiple of {least}, a block for every tile")


def chunk_of(shape: Shape, cut: Cut) -> Chunk:
    """A stripe of the cache, one block for each tile, is the unit of what is streamed."""
    return Chunk(1, 1, cut.key_rows * TILES * split(shape), shape.capacity, shape.window)


def spec(shape: Shape, name: str, cut: Cut | None = None) -> NpuKernelSpec:
    """One kernel. Raises InputError where it does not fit the NPU."""
    shape.check(name)
    cut = cut or tuned(shape, name)
    chunk, d = chunk_of(shape, cut), shape.head_dim
    cache = (shape.batch, shape.kv_heads, shape.capacity, d)
    arguments = (
        HostArgument("q", shape.dtype, (shape.batch, shape.heads, d), ("sequence", "head", "element")),
        HostArgument("k", shape.dtype, cache, ("sequence", "kv_head", "entry", "element")),
        HostArgument("v", shape.dtype, cache, ("sequence", "kv_head", "entry", "element")),
        HostArgument("out", "bf16", (shape.batch, shape.heads, d), ("sequence", "head", "element"), "w"),
        HostArgument("passes", "i32", (shape.batch, shape.kv_heads, WORDS), ("sequence", "kv_head", "word")),
    )
    return finished(
        name,
        "attention_decode",
        shape,
        {**core_params(shape, cut, decode=True), "split": split(shape), "quads": len(_quads(shape))},
        arguments,
        tuple(_column(c, shape, cut) for c in range(TILES)),
        (Listing(f"start_{s}", ordered(_rounds(shape, cut, chunk, arguments, s))) for s in shape.starts),
        tile_buffers(shape, cut, decode=True),
        _work(shape, chunk),
        {"phase": "decode", "batch": shape.batch, "key_rows": cut.key_rows, "stripe": chunk.key_rows},
    )


def _quads(shape: Shape) -> list[tuple[int, int]]:
    """(first query, queries) of each block of four that a group has."""
    return [(first, min(4, shape.group - first)) for first in range(0, shape.group, 4)]


def _column(c: int, shape: Shape, cut: Cut) -> Column:
    """Memory tile `c`: queries of a KV head, a pair of blocks for each tile, twice; and results."""
    d, item, dtype = shape.head_dim, ITEM_BYTES[shape.dtype], shape.dtype
    q, kv, head = shape.group * d, cut.key_rows * d, 4 * WORDS // item
    pair = head + 2 * kv
    into, keys, out = f"pass_{c}", f"kv_{c}", f"out_{c}"
    types = {into: memref(2 * q, dtype), keys: memref(2 * TILES * pair, dtype), out: memref(2 * q, "bf16")}

    def bd(buffer: str, offset: int, length: int, acquire: Use, release: Use, dims: Dims = ()) -> Bd:
        return Bd(buffer, types[buffer], offset, length, dims, acquire, release)

    def cut_up(s: int, t: int) -> tuple[Bd, Bd, Bd]:
        free, full, at = Use(f"kv_free_{c}{t}"), Use(f"kv_full_{c}{t}"), (s * TILES + t) * pair
        return (
            bd(keys, at, head, full, free),
            bd(keys, at + head, kv, full, free, blocked(cut.key_rows, d, 4 if dtype == "bf16" else 8, 8, d)),
            bd(keys, at + head + kv, kv, full, free, blocked(cut.key_rows, d, 8, 4 if dtype == "bf16" else 8, d)),
        )

    slots, tiles, n = range(2), range(TILES), len(_quads(shape))
    wide = 4 if dtype == "bf16" else 8
    from_rows = tuple(
        bd(
            into,
            s * q + first * d,
            rows * d,
            Use(f"pass_full_{c}"),
            Use(f"pass_free_{c}"),
            ((d // 8, 8), (rows, d), (8, 1)),
        )
        for s in slots
        for first, rows in _quads(shape)
    )
    to_rows = tuple(
        bd(
            out,
            s * q + first * d,
            rows * d,
            Use(f"out_free_{c}"),
            Use(f"out_full_{c}"),
            ((d // wide, wide), (rows, d), (wide, 1)),
        )
        for s in slots
        for first, rows in _quads(shape)
    )
    whole = tuple(bd(into, s * q, q, Use(f"pass_free_{c}", n), Use(f"pass_full_{c}", n)) for s in slots)
    left = tuple(bd(out, s * q, q, Use(f"out_full_{c}", n), Use(f"out_free_{c}", n)) for s in slots)
    chains = (
        Chain("S2MM", 0, whole),
        Chain(
            "S2MM",
            1,
            tuple(
                bd(keys, (s * TILES + t) * pair, pair, Use(f"kv_free_{c}{t}", 3), Use(f"kv_full_{c}{t}", 3))
                for s in slots
                for t in tiles
            ),
        ),
        Chain("MM2S", 0, from_rows),
        *(Chain("MM2S", t + 1, tuple(part for s in slots for part in cut_up(s, t))) for t in tiles),
        Chain("S2MM", 2, to_rows),
        Chain("MM2S", 5, left),
    )
    locks = (
        *((f"{kind}_{state}_{c}", 2 * n * (state == "free")) for kind in ("pass", "out") for state in ("free", "full")),
        *((f"kv_{state}_{c}{t}", 6 * (state == "free")) for t in tiles for state in ("free", "full")),
    )
    sizes = {into: 2 * q * item, keys: 2 * TILES * pair * item, out: 2 * q * 2}
    return Column(
        c,
        tuple(_tile(c, t, shape, cut) for t in tiles),
        tuple(Buffer(name, types[name], size) for name, size in sizes.items()),
        locks,
        chains,
    )


def _tile(c: int, t: int, shape: Shape, cut: Cut) -> Tile:
    """Its row is its first key in a stripe. The lowest tile of the last column of a KV head sends the result."""
    own = TileBuffers(f"t{c}{t}", shape, cut)
    d, wide = shape.head_dim, 4 if shape.dtype == "bf16" else 8
    n = len(_quads(shape))
    queries = tuple(
        own.bd("q", first * d, rows * d, "q_free", "q_full", ((d // 8, 32), (rows, 8), (8, 1)))
        for first, rows in _quads(shape)
    )
    chains: tuple[Chain, ...] = (Chain("S2MM", 0, queries), own.keys())
    locks = [("q_free", n), ("q_full", 0)]
    if t == 0 and c % split(shape) == split(shape) - 1:
        result = tuple(
            own.bd("o", first * d, rows * d, "o_full", "o_free", ((d // wide, 4 * wide), (rows, wide), (wide, 1)))
            for first, rows in _quads(shape)
        )
        chains = (*chains, Chain("MM2S", 0, result))
        locks += [("o_free", n), ("o_full", 0)]
    else:
        locks += [("part_free", 1), ("part_full", 0)]
    return Tile(own.name, (c % split(shape) * TILES + t) * cut.key_rows, own.locks(tuple(locks)), chains)


def _rounds(
    shape: Shape, cut: Cut, chunk: Chunk, arguments: tuple[HostArgument, ...], start: int
) -> Iterator[list[Transfer]]:
    """One KV head of one sequence for each set of columns in a round."""
    heads = [(b, kv) for b in range(shape.batch) for kv in range(shape.kv_heads)]
    sets = TILES // split(shape)
    stream = chunk.stream(0, start, shape.spread)
    for at in range(0, len(heads), sets):
        yield [
            transfer
            for i, (b, kv) in enumerate(heads[at : at + sets])
            for j in range(split(shape))
            for transfer in _pass(i * split(shape) + j, j, b, kv, stream, shape, cut, arguments)
        ]


def _pass(
    column: int,
    share: int,
    b: int,
    kv_head: int,
    stream: Stream,
    shape: Shape,
    cut: Cut,
    arguments: tuple[HostArgument, ...],
) -> Iterator[Transfer]:
    d = shape.head_dim
    q, _, _, out, _ = (memref(a.elements, a.dtype) for a in arguments)
    at, size = (b * shape.heads + kv_head * shape.group) * d, shape.group * d
    if share == split(shape) - 1:
        yield Transfer(column, "S2MM", 0, (Bd("out", out, at, size),))
    yield Transfer(column, "MM2S", 0, (Bd("q", q, at, size),))
    index = b * shape.kv_heads + kv_head
    quarter = Stream(stream.first, stream.blocks, tuple(_share(stream, share, shape, cut)))
    base = index * shape.capacity * d
    yield from blocks(column, quarter, cut.key_rows, index * WORDS, base, shape, arguments)


def _share(stream: Stream, share: int, shape: Shape, cut: Cut) -> Iterator[tuple[int, int]]:
    """A column's blocks of each stripe: all of them, or four in a row."""
    if split(shape) == 1:
        yield from ((entry, count * TILES) for entry, count in stream.runs)
        return
    stripe = cut.key_rows * TILES * split(shape)
    for entry, count in stream.runs:
        for i in range(count):
            yield entry + i * stripe + share * TILES * cut.key_rows, TILES


def _work(shape: Shape, chunk: Chunk) -> NpuWork:
    d, item = shape.head_dim, ITEM_BYTES[shape.dtype]
    streamed = chunk.stream(0, max(shape.starts), shape.spread).blocks * chunk.key_rows
    moved = shape.batch * (shape.kv_heads * streamed * 2 * d * item + shape.heads * d * (item + 2))
    busy = min(TILES, shape.batch * shape.kv_heads * split(shape)) * TILES
    return NpuWork(2 * pairs(shape) * shape.batch * shape.heads * d, moved, busy)
