"""What the attention kernels share: their shape, how a compute tile works, and what that takes of it."""

from dataclasses import dataclass

from kernelc.npu import tables
from kernelc.npu.budget import STACK
from kernelc.npu.dma import Bd, Chain, Dims, Use, memref
from kernelc.npu.spec import ITEM_BYTES, NpuDtype
from kernelrt.errors import InputError
from kernelrt.npu.attention import WORDS

TILES = 4  # compute tiles of a column, and columns
# Bits, as bf16, of the binary orders by which a score may exceed its reference before that grows: 6 and 0.
SLACK_BITS = {"bf16": 0x40C0, "i8": 0}


@dataclass(frozen=True, slots=True)
class Shape:
    """What is computed. Prefill: `rows` queries a head of one sequence; decode: one of each of `batch` sequences.

    `starts`: the last position of the first query that each sequence of instructions serves; `spread`: how many it
    does.
    """

    heads: int
    kv_heads: int
    head_dim: int
    capacity: int
    window: int | None
    starts: tuple[int, ...]
    spread: int
    rows: int = 1
    batch: int = 1
    dtype: NpuDtype = "bf16"

    @property
    def group(self) -> int:
        return self.heads // self.kv_heads

    def check(self, name: str) -> None:
        """Raises InputError for what no cut can compute."""
        if self.head_dim % 8 or (self.dtype == "i8" and self.head_dim % 16):
            raise InputError(
                f"{name}: heads of {self.head_dim} are no whole blocks of {16 if self.dtype == 'i8' else 8}"
            )
        if self.heads % self.kv_heads:
            raise InputError(f"{name}: {self.heads} query heads are not divisible by {self.kv_heads} kv heads")


@dataclass(frozen=True, slots=True)
class Cut:
    """How a tile works: `query_rows` queries, `key_rows` keys at a time, `slots` blocks of queries in its memory,
    `blocks` of four queries in registers at once.
    """

    query_rows: int
    key_rows: int
    slots: int
    blocks: int = 2


def tile_buffers(shape: Shape, cut: Cut, decode: bool) -> tuple[tuple[str, int], ...]:
    """Bytes of a compute tile's buffers, as the template declares them."""
    d, q, k, item = shape.head_dim, cut.query_rows, cut.key_rows, ITEM_BYTES[shape.dtype]
    wide = 4 if shape.dtype == "bf16" else 8  # columns of a block of sums
    found = [
        ("stack", STACK),
        ("queries", cut.slots * q * d * item),
        ("keys", k * d * item),
        ("values", k * d * item),
        ("accumulators", q * (d + wide) * 4),
        ("scores", cut.blocks * k * 16),
        ("weights", 2 * q * k),
        ("references", q * wide * 4),
        ("row, header and lanes", 4 + 4 * WORDS + 16 * wide),
        ("masks", 1024 if shape.dtype == "bf16" else 3072),
        ("constants", 96),
    ]
    if separate_result(shape, decode):
        found.append(("results", cut.slots * q * d * 2))
    return tuple(found)


def separate_result(shape: Shape, decode: bool) -> bool:
    """Results in bf16 take the place of queries in bf16, unless rows of these must stay zero."""
    return decode or shape.dtype != "bf16"


def core_params(shape: Shape, cut: Cut, decode: bool) -> dict[str, object]:
    """What templates/mlir/lib/flash_*.mlir.j2 read."""
    wide = 4 if shape.dtype == "bf16" else 8
    if shape.dtype == "bf16":  # lanes: key r, query c

        def further(lane: int) -> int:
            return (0 if decode else lane % 4) - lane // 4
    else:  # lanes: query r, key c

        def further(lane: int) -> int:
            return (0 if decode else lane // 8) - lane % 8

    return {
        "dtype": shape.dtype,
        "head_dim": shape.head_dim,
        "query_rows": cut.query_rows,
        "key_rows": cut.key_rows,
        "slots": cut.slots,
        "group_blocks": cut.blocks,
        "result": "o" if separate_result(shape, decode) else "q",
        "q_initial": "" if not decode else "0.0" if shape.dtype == "bf16" else "0",
        "same_position": decode,
        "future": tables.masks(4 * wide, further, -4, wide - 1, past=False),
        "past": tables.masks(4 * wide, further, -4, wide - 1, past=True),
        **tables.polynomial(88 if shape.dtype == "i8" else 1),
        "slack_bits": SLACK_BITS[shape.dtype],
        "stack": STACK,
    }


@dataclass(frozen=True, slots=True)
class TileBuffers:
    """The names and types of one compute tile's buffers, for its BDs."""

    name: str
    shape: Shape
    cut: Cut

    def bd(self, buffer: str, offset: int, length: int, acquire: str, release: str, dims: Dims = ()) -> Bd:
        d, keys, dtype, wide = (
            self.shape.head_dim,
            self.cut.key_rows,
            self.shape.dtype,
            4 if self.shape.dtype == "bf16" else 8,
        )
        queries = (self.cut.slots, self.cut.query_rows // 4, d // 8, 32)
        types = {
            "q": memref(queries, dtype),
            "o": memref(queries, "bf16"),
            "k": memref((keys // wide, d // 8, 8 * wide), dtype),
            "v": memref((keys // 8, d // wide, 8 * wide), dtype),
            "header": memref((WORDS,), "i32"),
        }
        locks = Use(f"{acquire}_{self.name}"), Use(f"{release}_{self.name}")
        return Bd(f"{buffer}_{self.name}", types[buffer], offset, length, dims, *locks)

    def keys(self) -> Chain:
        """Channel 1: a header, a block of keys, a block of values, and so on."""
        kv = self.cut.key_rows * self.shape.head_dim
        return Chain(
            "S2MM",
            1,
            (
                self.bd("header", 0, WORDS, "header_free", "header_full"),
                self.bd("k", 0, kv, "k_free", "k_full"),
                self.bd("v", 0, kv, "v_free", "v_full"),
            ),
        )

    def locks(self, more: tuple[tuple[str, int], ...]) -> tuple[tuple[str, int], ...]:
        pairs = (
            (f"{kind}_{state}", int(state == "free")) for kind in ("header", "k", "v") for state in ("free", "full")
        )
        return tuple((f"{lock}_{self.name}", init) for lock, init in (*more, *pairs))
