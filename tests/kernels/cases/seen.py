"""Cases of seen: chunks and steps, from a sequence's first token and later on; ids that there are not set nothing."""

from collections.abc import Iterator

import numpy as np

from kernelc.kernels import seen
from kernelc.target import TargetSpec
from kernelrt.params import Params, Sequence
from tests.kernels.case import Case
from tests.kernels.harness import fresh_seed

SLOTS = 7


def cases(target: TargetSpec) -> Iterator[Case]:
    for vocab, workgroup in ((300, 256), (509, 8), (262208, 256)):
        for rows, start, capacity in ((1, 0, 1), (37, 0, 64), (64, 24, 64)):
            yield _prefill(vocab, rows, start, capacity, workgroup)
        yield _decode(vocab, (0, 5, 0, 131071), 8, workgroup)


def _bits(rng: np.random.Generator, vocab: int) -> np.ndarray:
    """What slots hold: bits of sequences before, as u32 [SLOTS, words]."""
    occurred = np.zeros((SLOTS, -(-vocab // 32) * 32), np.bool_)
    occurred[:, :vocab] = rng.random((SLOTS, vocab)) < 0.2
    return np.packbits(occurred, axis=-1, bitorder="little").view(np.uint32)


def _tokens(rng: np.random.Generator, vocab: int, rows: int) -> np.ndarray:
    """The vocabulary's ends, others, one twice, and an id that there is not."""
    tokens = rng.integers(0, vocab, rows).astype(np.uint32)
    tokens[:5] = np.array([vocab - 1, 0, vocab, 0, 31], np.uint32)[:rows]
    return tokens


def _mark(row: np.ndarray, tokens: np.ndarray, vocab: int) -> None:
    for token in tokens[tokens < vocab]:
        row[token // 32] |= np.uint32(1) << np.uint32(token % 32)


def _prefill(vocab: int, rows: int, start: int, capacity: int, workgroup: int) -> Case:
    seed, slot = fresh_seed(), 3
    rng = np.random.default_rng(seed)
    before, tokens = _bits(rng, vocab), _tokens(rng, vocab, rows)
    after = before.copy()
    after[slot] = after[slot] if start else 0
    _mark(after[slot], tokens, vocab)
    return Case(
        f"seen.prefill.{vocab}.{rows}of{capacity}.at{start}.w{workgroup}",
        seen.spec(vocab=vocab, phase="prefill", workgroup=workgroup),
        {"tokens": np.pad(tokens, (0, capacity - rows), constant_values=vocab // 2), "seen": before},
        {"seen": after},
        Params(rows, start, slot),
        capacity,
        0,
        seed,
        {"slots": SLOTS},
    )


def _decode(vocab: int, positions: tuple[int, ...], capacity: int, workgroup: int) -> Case:
    seed, rows = fresh_seed(), len(positions)
    rng = np.random.default_rng(seed)
    slots = rng.permutation(SLOTS)[:rows]
    before, tokens = _bits(rng, vocab), rng.permutation(_tokens(rng, vocab, rows))
    after = before.copy()
    for slot, position, token in zip(slots, positions, tokens, strict=True):
        after[slot] = after[slot] if position else 0
        _mark(after[slot], np.array([token]), vocab)
    sequences = tuple(Sequence(position=p, slot=int(s)) for p, s in zip(positions, slots, strict=True))
    return Case(
        f"seen.decode.{vocab}.{rows}of{capacity}.w{workgroup}",
        seen.spec(vocab=vocab, phase="decode", workgroup=workgroup),
        {"tokens": np.pad(tokens, (0, capacity - rows), constant_values=vocab // 2), "seen": before},
        {"seen": after},
        Params(rows, sequences=sequences),
        capacity,
        0,
        seed,
        {"slots": SLOTS},
    )
