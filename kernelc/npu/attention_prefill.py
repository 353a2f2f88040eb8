"""attention_prefill: flash attention of a prefill chunk on the NPU, causal and windowed.

    out[r][h] = softmax2(q[h][r] K^T) V,  keys at positions max(0, p - window + 1) .. p,  p = start + r

softmax2 is softmax with powers of two: q comes scaled by log2(e) / sqrt(query_scale_dim). q [heads, rows, head_dim];
k and v [kv_heads, capacity, head_dim], position p at entry p % capacity, the chunk's own keys already there (so a
ring has room for window + rows - 1 at least). Query head h uses kv head h // (heads / kv_heads). out [rows, heads,
head_dim]. passes i32 [kv_heads, passes, 8]: kernelrt.npu.attention.Chunk.header. What lies in the cache must be
finite everywhere. Rows behind the chunk's are undefined in out, zero in passes without any. |scores| < 4096.

A sequence of instructions, `start_S`, serves every start in S - spread + 1 .. S.
"""

from collections.abc import Iterator
from math import gcd

from kernelc.npu.attention import TILES, Cut, Shape, TileBuffers, core_params, separate_result, tile_buffers
from kernelc.npu.budget import Budget, Tally
from kernelc.npu.dma import Bd, Buffer, Chain, Column, Dims, Tile, Use, blocked, memref, unblocked
from kernelc.npu.spec import ITEM_BYTES, HostArgument, NpuKernelSpec, NpuWork
from kernelc.npu.stream import blocks, dealt, finished, pairs
from kernelc.npu.tasks import Listing, Transfer, ordered
from kernelrt.errors import InputError
from kernelrt.npu.attention import WORDS, Chunk

# (queries of a tile, keys of a block), the best first: the more queries a tile has, the less is streamed; the more
# keys, the less often sums are loaded and stored.
_CUTS = ((64, 64), (64, 32), (64, 16), (32, 64), (32, 32), (32, 16), (16, 32), (16, 16), (8, 16))


def together(shape: Shape) -> int:
    """Query heads of one group in a pass."""
    return gcd(shape.group, TILES)


def chunk_of(shape: Shape, cut: Cut) -> Chunk:
    """How the chunk is cut into passes."""
    return Chunk(shape.rows, TILES // together(shape) * cut.query_rows, cut.key_rows, shape.capacity, shape.window)


def tuned(shape: Shape, name: str) -> Cut:
    """The best cut that fits a compute tile. Raises InputError, with what was counted where that was too much."""
    smallest: Tally | None = None
    for query_rows, key_rows in _CUTS:
        if shape.capacity % key_rows or shape.rows % (TILES // together(shape) * query_rows):
            continue
        for slots in (2, 1):
            cut = Cut(query_rows, key_rows, slots)
            smallest = Tally("compute", tile_buffers(shape, cut, decode=False), (), 0)
            if not smallest.faults():
                return cut
    if smallest is not None:
        Budget((smallest,)).check(name)
    raise InputError(
        f"{name}: {shape.rows} rows are no whole passes of {8 * TILES // together(shape)}, or a cache of "
        f"{shape.capacity} entries no whole blocks of 16"
    )


def spec(shape: Shape, name: str, cut: Cut | None = None) -> NpuKernelSpec:
    """One kernel. Raises InputError where it does not fit the NPU."""
    shape.check(name)
    cut = cut or tuned(shape, name)
    chunk = chunk_of(shape, cut)
    if shape.rows % chunk.pass_rows or shape.capacity % cut.key_rows:
        raise InputError(
            f"{name}: {shape.rows} rows are no whole passes of {chunk.pass_rows}, or a cache of {shape.capacity} "
            f"entries no whole blocks of {cut.key_rows}"
        )
    d, cache = shape.head_dim, (shape.kv_heads, shape.capacity, shape.head_dim)
    arguments = (
        HostArgument("q", shape.dtype, (shape.heads, shape.rows, d), ("head", "row", "element")),
        HostArgument("k", shape.dtype, cache, ("kv_head", "entry", "element")),
        HostArgument("v", shape.dtype, cache, ("kv_head", "entry", "element")),
        HostArgument("out", "bf16", (shape.rows, shape.heads, d), ("row", "head", "element"), "w"),
        HostArgument("passes", "i32", (shape.kv_heads, chunk.passes, WORDS), ("kv_head", "pass", "word")),
    )
    return finished(
        name,
        "attention_prefill",
        shape,
        core_params(shape, cut, decode=False),
        arguments,
        tuple(_column(c, shape, cut) for c in range(TILES)),
        (Listing(f"start_{s}", ordered(_rounds(shape, chunk, arguments, s))) for s in shape.starts),
        tile_buffers(shape, cut, decode=False),
        _work(shape, chunk),
        {"phase": "prefill", "rows": shape.rows, "pass_rows": chunk.pass_rows, "key_rows": cut.key_rows},
    )


def _column(c: int, shape: Shape, cut: Cut) -> Column:
    """Memory tile `c`: two passes of queries and of results, two pairs of blocks; and its compute tiles."""
    d, item, dtype = shape.head_dim, ITEM_BYTES[shape.dtype], shape.dtype
    q, kv, head = cut.query_rows * d, cut.key_rows * d, 4 * WORDS // item
    pair = head + 2 * kv
    into, keys, out = f"pass_{c}", f"kv_{c}", f"out_{c}"
    types = {into: memref(2 * TILES * q, dtype), keys: memref(2 * pair, dtype), out: memref(2 * TILES * q, "bf16")}

    def bd(buffer: str, offset: int, length: int, acquire: Use, release: Use, dims: Dims = ()) -> Bd:
        return Bd(buffer, types[buffer], offset, length, dims, acquire, release)

    def lock(kind: str, t: int) -> Use:
        return Use(f"{kind}_{c}{t}")

    def cut_up(s: int) -> tuple[Bd, Bd, Bd]:
        tall, wide = (8, 4) if dtype == "bf16" else (8, 8)
        k_dims = blocked(cut.key_rows, d, 4 if dtype == "bf16" else 8, 8, d)
        return (
            bd(keys, s * pair, head, full, free),
            bd(keys, s * pair + head, kv, full, free, k_dims),
            bd(keys, s * pair + head + kv, kv, full, free, blocked(cut.key_rows, d, tall, wide, d)),
        )

    tiles, slots = range(TILES), range(2)
    at = {(s, t): (s * TILES + t) * q for s in slots for t in tiles}
    free, full = Use(f"kv_free_{c}"), Use(f"kv_full_{c}")
    square, rows = blocked(cut.query_rows, d, 4, 8, d), unblocked(cut.query_rows, d, 4, 4 if dtype == "bf16" else 8)
    dealt_out = (
        Chain(
            "MM2S", t, tuple(bd(into, at[s, t], q, lock("pass_full", t), lock("pass_free", t), square) for s in slots)
        )
        for t in tiles
    )
    joined = (
        Chain("S2MM", t + 2, tuple(bd(out, at[s, t], q, lock("out_free", t), lock("out_full", t)) for s in slots))
        for t in tiles
    )
    chains = (
        Chain("S2MM", 0, tuple(bd(into, o, q, lock("pass_free", t), lock("pass_full", t)) for (_, t), o in at.items())),
        Chain("S2MM", 1, tuple(bd(keys, s * pair, pair, Use(free.lock, 3), Use(full.lock, 3)) for s in slots)),
        *dealt_out,
        Chain("MM2S", 4, tuple(part for s in slots for part in cut_up(s))),
        *joined,
        Chain(
            "MM2S", 5, tuple(bd(out, o, q, lock("out_full", t), lock("out_free", t), rows) for (_, t), o in at.items())
        ),
    )
    states = (("free", 2), ("full", 0))
    locks = tuple((f"{kind}_{state}_{c}{t}", init) for kind in ("pass", "out") for t in tiles for state, init in states)
    sizes = {into: 2 * TILES * q * item, keys: 2 * pair * item, out: 2 * TILES * q * 2}
    return Column(
        c,
        tuple(_tile(f"t{c}{t}", t % (TILES // together(shape)) * cut.query_rows, shape, cut) for t in tiles),
        tuple(Buffer(name, types[name], size) for name, size in sizes.items()),
        ((free.lock, 6), (full.lock, 0), *locks),
        chains,
    )


def _tile(name: str, row: int, shape: Shape, cut: Cut) -> Tile:
    """Queries come by channel 0. Where results take their place, what frees them is that they have left."""
    own = TileBuffers(name, shape, cut)
    q, slots = cut.query_rows * shape.head_dim, range(cut.slots)
    apart = separate_result(shape, decode=False)
    result, freed = ("o", "o_free") if apart else ("q", "q_free")
    chains = (
        Chain("S2MM", 0, tuple(own.bd("q", s * q, q, "q_free", "q_full") for s in slots)),
        own.keys(),
        Chain("MM2S", 0, tuple(own.bd(result, s * q, q, "o_full", freed) for s in slots)),
    )
    locks = (("q_free", cut.slots), ("q_full", 0), ("o_full", 0), *((("o_free", cut.slots),) if apart else ()))
    return Tile(name, row, own.locks(locks), chains)


def _rounds(shape: Shape, chunk: Chunk, arguments: tuple[HostArgument, ...], start: int) -> Iterator[list[Transfer]]:
    """The transfers of all passes: one pass a column in a round."""
    groups = range(0, shape.group, together(shape))
    passes = ((kv, first, number) for kv in range(shape.kv_heads) for first in groups for number in range(chunk.passes))
    for turn in dealt(passes, shape.kv_heads):
        yield [t for column, (kv, at, n) in turn for t in _pass(column, kv, at, n, shape, chunk, arguments, start)]


def _pass(
    column: int,
    kv_head: int,
    first: int,
    number: int,
    shape: Shape,
    chunk: Chunk,
    arguments: tuple[HostArgument, ...],
    start: int,
) -> Iterator[Transfer]:
    d, heads, rows = shape.head_dim, together(shape), chunk.pass_rows
    q, _, _, out, _ = (memref(a.elements, a.dtype) for a in arguments)
    head, row, width = kv_head * shape.group + first, number * rows, shape.heads * d
    to = Bd("out", out, row * width + head * d, heads * rows * d, ((heads, d), (rows, width), (d, 1)))
    yield Transfer(column, "S2MM", 0, (to,))
    dims = ((heads, shape.rows * d), (rows, d), (d, 1))
    yield Transfer(column, "MM2S", 0, (Bd("q", q, (head * shape.rows + row) * d, heads * rows * d, dims),))
    stream = chunk.stream(number, start, shape.spread)
    words = (kv_head * chunk.passes + number) * WORDS
    yield from blocks(column, stream, chunk.key_rows, words, kv_head * shape.capacity * d, shape, arguments)


def _work(shape: Shape, chunk: Chunk) -> NpuWork:
    start, item = max(shape.starts), ITEM_BYTES[shape.dtype]
    streamed = sum(chunk.stream(n, start, shape.spread).blocks for n in range(chunk.passes)) * chunk.key_rows
    moved = shape.heads // together(shape) * streamed * 2 * shape.head_dim * item
    moved += shape.heads * shape.rows * shape.head_dim * (item + 2)
    return NpuWork(2 * pairs(shape) * shape.heads * shape.head_dim, moved, TILES * TILES)
