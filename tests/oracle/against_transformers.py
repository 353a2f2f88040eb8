"""Asks `transformers` about fresh weights of every configuration: `python -m tests.oracle.against_transformers`.

The first half of `make test-oracle`. Compares the fp64 model of tests/oracle with transformers, and writes checkpoints
by save_pretrained with the logits of each weight format into build/oracle, for the second half, which compares the
runtime (live_parity.py). Needs what requirements.txt lists. Exit code 1 where the fp64 model is off.
"""

import argparse
import secrets
import shutil
import sys
from dataclasses import replace

import numpy as np
import torch  # pyright: ignore[reportMissingImports]  # of requirements.txt alone
import transformers  # pyright: ignore[reportMissingImports]  # likewise

from tests.oracle import answers
from tests.oracle.configs import CONFIGS, DECODED, Config
from tests.oracle.gemma import logits
from tests.oracle.record import QUANTS
from tests.oracle.transformers_run import F32, F64, all_at_once, greedy, initial, multimodal, network, save
from tests.oracle.weights import meant, tensors

BOUND = 1e-5  # transformers computes norms, softmax and RoPE's angles in float32
# What checkpoints look like in the wild; the others are one file of bfloat16.
SHARDED, MULTIMODAL, INITIAL = "d32-gguf", "d128-27b", "d64-mqa8"


def ask(config: Config) -> float:
    """Writes the checkpoint and the answers; gives the worst ||ours - theirs|| / ||theirs||."""
    model, seed = config.model, config.seed
    checkpoint = initial(model, seed) if config.name == INITIAL else tensors(model, seed, config.branch)
    found: dict[str, answers.Answer] = {}
    worst = 0.0
    for quant in QUANTS:
        # Weights as transformers initialises them are float32, which "f16" rounds; here they are asked about unrounded.
        exact = quant == "f16" and config.name == INITIAL
        weights = {n: w.astype(np.float64) for n, w in checkpoint.items()} if exact else meant(checkpoint, quant)
        net = network(model, weights)
        tokens, theirs = greedy(net, config.tokens(), DECODED)
        off = np.linalg.norm(logits(model, weights, tokens) - theirs) / np.linalg.norm(theirs)
        worst = max(worst, float(off))
        found[quant] = answers.Answer(tokens, theirs.astype(np.float32))
        if quant == "f16":
            _save(config, checkpoint, tokens, theirs)
    answers.save(config, found)
    return worst


def _save(config: Config, checkpoint: dict[str, F32], tokens: list[int], theirs: F64) -> None:
    """save_pretrained. The multimodal model is asked too: its text part must be the same model."""
    folder = answers.checkpoint(config)
    if config.name == MULTIMODAL:
        net = multimodal(config.model, checkpoint)
        off = np.linalg.norm(all_at_once(net, tokens) - theirs) / np.linalg.norm(theirs)
        assert off < BOUND, f"{config.name}: the multimodal model's text part is off by {off:.1e}"
    else:
        net = network(config.model, checkpoint)
    save(
        net,
        folder,
        dtype=torch.float32 if config.name == INITIAL else torch.bfloat16,
        shard="200KB" if config.name == SHARDED else "5GB",
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=secrets.randbits(31), help="of the weights and prompts")
    seed = parser.parse_args().seed
    torch.set_num_threads(1)  # the models are tiny
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    shutil.rmtree(answers.FOLDER, ignore_errors=True)
    print(f"torch {torch.__version__}, transformers {transformers.__version__}, numpy {np.__version__}, seed {seed}")
    worst = 0.0
    for config in CONFIGS:
        answers.checkpoint(config).mkdir(parents=True)
        found = ask(replace(config, seed=seed))
        worst = max(worst, found)
        print(f"{config.name:10} the fp64 model is off by {found:.1e}")
    if worst < BOUND:
        return 0
    print(f"error: the fp64 model is off by more than {BOUND}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
