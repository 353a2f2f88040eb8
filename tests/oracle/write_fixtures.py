"""Writes tests/oracle/fixtures by `transformers`: `python -m tests.oracle.write_fixtures [NAME …]`.

Needs what tests/oracle/requirements.txt lists. Run it after a change of configs.py or weights.py, and commit the files.
"""

import sys

import numpy as np
import torch  # pyright: ignore[reportMissingImports]  # of tests/oracle/requirements.txt alone
import transformers  # pyright: ignore[reportMissingImports]  # likewise

from tests.oracle.configs import CONFIGS, DECODED, config
from tests.oracle.record import QUANTS, Record, save
from tests.oracle.transformers_run import greedy, network
from tests.oracle.weights import meant, tensors


def main() -> None:
    writer = f"transformers {transformers.__version__}, torch {torch.__version__}, float64, eager"
    for wanted in map(config, sys.argv[1:] or [found.name for found in CONFIGS]):
        checkpoint = tensors(wanted.model, wanted.seed, wanted.branch)
        records: dict[str, Record] = {}
        for quant in QUANTS:
            tokens, logits = greedy(network(wanted.model, meant(checkpoint, quant)), wanted.tokens(), DECODED)
            records[quant] = Record.of(wanted, tokens, logits)
        save(wanted, records, writer)
        print(f"{wanted.name}: least gap {min(float(np.min(r.gap)) for r in records.values()):.1e}")


if __name__ == "__main__":
    main()
