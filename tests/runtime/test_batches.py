"""A batch gives each of its sequences what it gets alone: different lengths in one step, every bucket."""

from pathlib import Path

import numpy as np
import pytest

from kernelrt.step import Step
from tests.fixtures.parity import Subject, subject
from tests.oracle.agreement import agreement
from tests.oracle.configs import config

STEPS = 6
BUCKETS = (1, 8, 32)


# One test a model: its kernels, of three buckets, are compiled once.
@pytest.mark.parametrize(("name", "quant"), [("d16-mha", "q8_0"), ("d24-pairs", "f16")])
def test_batches(name: str, quant: str, tmp_path: Path) -> None:
    with subject(config(name), quant, tmp_path, BUCKETS) as it:
        failures = [line for count in (2, 8, 9, 32) for line in _against_the_reference(it, count)]
        assert not failures, "\n".join([str(it), *failures])
        _any_slot_gives_the_same_bits(it)
        for full, few in ((8, 2), (32, 9)):
            _any_company_gives_the_same_bits(it, full, few)


def _sequences(it: Subject, count: int) -> list[list[int]]:
    """Of 9 tokens and more, so that some are past the window and some are not."""
    return [it.config.tokens(3 + 2 * i % 40 + STEPS, stream=i + 1) for i in range(count)]


def _against_the_reference(it: Subject, count: int) -> list[str]:
    sequences = _sequences(it, count)
    references = [it.reference(tokens) for tokens in sequences]
    for slot, tokens in enumerate(sequences):
        it.prefill(tokens[:-STEPS], slot=slot)
    rows: list[np.ndarray] = []
    wanted: list[np.ndarray] = []
    positions: list[int] = []
    for step in range(STEPS):
        at = [len(tokens) - STEPS + step for tokens in sequences]
        order = [int(slot) for slot in np.random.default_rng(step).permutation(count)]  # a row is not its slot
        rows += list(it.step([Step(slot, sequences[slot][at[slot]], at[slot]) for slot in order]))
        wanted += [references[slot][at[slot]] for slot in order]
        positions += [at[slot] for slot in order]
    return agreement(np.stack(rows), np.stack(wanted), positions).failures(f"a batch of {count}")


def _any_slot_gives_the_same_bits(it: Subject) -> None:
    """What other slots hold changes nothing, nor does what this one held before."""
    tokens = _sequences(it, 1)[0]
    found: list[np.ndarray] = []
    for slot in (0, 5, 31, 5):
        it.prefill(it.config.tokens(9, stream=slot + 50), slot=slot)
        first = it.prefill(tokens[:-STEPS], slot=slot)
        found.append(np.stack([first, *it.decode(tokens[-STEPS:], len(tokens) - STEPS, slot)]))
    for other in found[1:]:
        np.testing.assert_array_equal(found[0], other, err_msg=str(it))


def _any_company_gives_the_same_bits(it: Subject, full: int, few: int) -> None:
    """The last of `full` sequences again among `few`, which take the same bucket."""
    sequences = _sequences(it, full)

    def last(slots: list[int]) -> np.ndarray:
        for slot in slots:
            it.prefill(sequences[slot][:-1], slot=slot)
        return it.step([Step(slot, sequences[slot][-1], len(sequences[slot]) - 1) for slot in slots])[-1]

    alone = last([*range(few - 1), full - 1])
    np.testing.assert_array_equal(last(list(range(full))), alone, err_msg=f"{it}: {full} and {few} sequences")
