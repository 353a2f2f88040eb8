"""The runtime's logits and greedy tokens against the fp64 model and what `transformers` wrote down, on lavapipe.

Those that lavapipe compiles soonest, each in one weight format; `make test-oracle` runs all of them.
"""

from pathlib import Path

import numpy as np
import pytest

from tests.fixtures.parity import Subject, subject
from tests.oracle.agreement import BOUND, agreement
from tests.oracle.configs import DECODED, Config, config
from tests.oracle.record import QUANTS, Record, load

ORDER = 1e-3  # what another order of sums makes of logits, by halves that are then rounded the other way
QUICK = ("d16-mha", "d24-pairs", "d32-gguf", "d32-wide", "d64-large", "d128-27b")
CASES = [(config(name), QUANTS[i % len(QUANTS)]) for i, name in enumerate(QUICK)]


@pytest.mark.parametrize(("config", "quant"), CASES, ids=[f"{config.name}-{quant}" for config, quant in CASES])
def test_parity(config: Config, quant: str, tmp_path: Path) -> None:
    record = load(config, quant)
    with subject(config, quant, tmp_path) as it:
        failures = [*_prefill_then_decode(it, record), *_prefixes(it), *_token_by_token(it, record)]
    assert not failures, "\n".join([str(it), *failures])


def _prefill_then_decode(it: Subject, record: Record) -> list[str]:
    """The prompt at once, then transformers' own greedy tokens, against the fp64 model and the rows of the record."""
    tokens, prompt = [int(t) for t in record.tokens], it.config.prompt
    reference = it.reference(tokens)
    ours = np.stack([it.prefill(tokens[:prompt]), *it.decode(tokens[prompt:], prompt)])
    positions = range(prompt - 1, len(tokens))
    found = agreement(ours, reference[positions], positions)
    kept = [i for i, row in enumerate(record.rows) if row >= prompt - 1]
    theirs = agreement(ours[record.rows[kept].astype(int) - (prompt - 1)], record.logits[kept], list(record.rows[kept]))
    assert len(positions) == DECODED + 1
    return [*found.failures("decode"), *theirs.failures("decode against transformers")]


def _prefixes(it: Subject) -> list[str]:
    """Prompts of many lengths: the first token, both sides of the window, several windows; and in two chunks."""
    window, prompt = it.config.model.window, it.config.tokens()
    reference = it.reference(prompt)
    ends = sorted({1, 2, window - 1, window, window + 1, 2 * window + 1, len(prompt) - 1, len(prompt)})
    whole = np.stack([it.prefill(prompt[:end]) for end in ends])
    found = agreement(whole, reference[[end - 1 for end in ends]], [end - 1 for end in ends]).failures("prefill")
    cuts = sorted({1, window // 2 + 1, window, window + 3, len(prompt) - 1})
    rows: list[np.ndarray] = []
    for cut in cuts:
        it.prefill(prompt[:cut])
        rows.append(it.prefill(prompt[cut:], start=cut))
    # Not the same bits: a chunk's blocks of keys begin elsewhere, so that sums come in another order.
    chunked = agreement(np.stack(rows), np.repeat(whole[-1:], len(cuts), 0), cuts)
    return found + chunked.failures("prefill in two chunks against one, the second from", ORDER, ORDER)


def _token_by_token(it: Subject, record: Record) -> list[str]:
    """The prompt as decode steps: every position's logits, and what transformers chose after each."""
    prompt = it.config.tokens()
    ours = it.decode(prompt, 0)
    found = agreement(ours, it.reference(prompt), range(len(prompt)))
    clear = record.gap[: len(prompt)] > BOUND * record.norm[: len(prompt)]
    differ = np.flatnonzero(clear & (ours.argmax(-1) != record.best[: len(prompt)]))
    return found.failures("token by token") + [f"token by token: transformers chose another at {p}" for p in differ]
