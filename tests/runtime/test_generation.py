"""Long texts: 300 greedy tokens through rings that wrap around many times."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from kernelrt.generate import generate
from tests.fixtures.parity import subject
from tests.oracle.agreement import agreement
from tests.oracle.configs import config

TOKENS = 300


@pytest.mark.parametrize(("name", "quant"), [("d16-mha", "f16"), ("d24-fours", "q4_0")])
def test_three_hundred_tokens_stay_with_the_reference(name: str, quant: str, tmp_path: Path) -> None:
    """At each step the reference takes the tokens that were generated so far: a choice of near equals is no fault."""
    chosen = config(name)
    prompt = chosen.tokens()
    with subject(chosen, quant, tmp_path, context=len(prompt) + TOKENS) as it:
        result = generate(it.engine, [prompt], max_tokens=TOKENS, stop_ids=(), keep_logits=True)
        text = result.generations[0].tokens
        assert len(text) == TOKENS
        assert result.logits is not None
        assert result.logits.shape == (TOKENS, chosen.model.vocab)
        assert len(set(text)) > 5, f"{it}: the text says nothing: {sorted(set(text))}"
        reference = it.reference([*prompt, *text[:-1]])[len(prompt) - 1 :]
        positions = range(len(prompt) - 1, len(prompt) + TOKENS - 1)
        np.testing.assert_array_equal(result.logits.argmax(-1), text)
        failures = agreement(result.logits, reference, positions).failures("generated")
        # An error that grew with the position would be a ring that lost or kept a key.
        parts = [result.logits[i:j].astype(float) - reference[i:j] for i, j in pairwise(range(0, TOKENS + 1, 100))]
        first, *_, last = (float(np.linalg.norm(part)) for part in parts)
        assert last < 3 * first, f"{it}: the error grows from {first:.2e} to {last:.2e}"
    assert not failures, "\n".join([str(it), *failures])
