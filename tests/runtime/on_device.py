"""The parity table on a GPU: every configuration in every format, with the kernels that a target has for it.

    python -m tests.runtime.on_device --target h200 --device NVIDIA [--exact]

For each: logits after prompts of many lengths, of 64 decode steps, and of a step of nine sequences, against fp64. With
fp16 operands in cooperative matrices (without --exact) a phase may be off by half as much again. Exit code 1 where a
bound breaks.
"""

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from kernelrt.gpu.device import Device
from kernelrt.run_plan import Options
from kernelrt.step import Step
from tests.fixtures.parity import Subject, subject
from tests.oracle.agreement import BOUND, Agreement, agreement
from tests.oracle.configs import CONFIGS
from tests.oracle.record import QUANTS

BATCH = 9  # more than the matrix-vector forms take


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", default="h200")
    parser.add_argument("--device", default="NVIDIA")
    parser.add_argument("--exact", action="store_true")
    arguments = parser.parse_args()
    # A device that stays open: a driver that is loaded anew for each model may come to refuse.
    with Device.open(arguments.device):
        return compare(arguments.target, Options(device=arguments.device, exact=arguments.exact))


def compare(target: str, options: Options) -> int:
    """Prints the table; gives the exit code."""
    failures: list[str] = []
    bound = BOUND if options.exact else 1.5 * BOUND
    print(f"{'':12}{'':6}{'prefill':>10}{'one row':>10}{'decode':>10}{'one row':>10}{'batch':>10}")
    for config in CONFIGS:
        for quant in QUANTS:
            with (
                TemporaryDirectory() as folder,
                subject(config, quant, Path(folder), (1, BATCH), target=target, options=options) as it,
            ):
                found = {"prefill": _prefill(it), "decode": _decode(it), "batch": _batch(it)}
            failures += [line for what, each in found.items() for line in each.failures(f"{it}, {what}", bound)]
            errors = [found["prefill"].error, found["prefill"].rows.max(), found["decode"].error]
            errors += [found["decode"].rows.max(), found["batch"].error]
            print(f"{config.name:12}{quant:6}" + "".join(f"{error:10.1e}" for error in errors), flush=True)
    print("\n".join(failures) if failures else f"all within the bounds, on {it.engine.device.name}")
    return 1 if failures else 0


def _prefill(it: Subject) -> Agreement:
    tokens, window = it.config.tokens(), it.config.model.window
    ends = sorted({1, 2, window, window + 1, 2 * window + 1, len(tokens) - 1, len(tokens)})
    ours = np.stack([it.prefill(tokens[:end]) for end in ends])
    return agreement(ours, it.reference(tokens)[[end - 1 for end in ends]], [end - 1 for end in ends])


def _decode(it: Subject) -> Agreement:
    """64 steps of random tokens behind the prompt."""
    tokens, prompt = it.config.tokens(it.config.length), it.config.prompt
    it.prefill(tokens[:prompt])
    return agreement(it.decode(tokens[prompt:], prompt), it.reference(tokens)[prompt:], range(prompt, len(tokens)))


def _batch(it: Subject) -> Agreement:
    """One step of sequences of different lengths, each behind its own prompt."""
    prompts = [it.config.tokens(4 + 2 * i, stream=i) for i in range(BATCH)]
    for slot, prompt in enumerate(prompts):
        it.prefill(prompt[:-1], slot=slot)
    ours = it.step([Step(slot, prompt[-1], len(prompt) - 1) for slot, prompt in enumerate(prompts)])
    expected = np.stack([it.reference(prompt)[-1] for prompt in prompts])
    return agreement(ours, expected, [len(prompt) - 1 for prompt in prompts])


if __name__ == "__main__":
    sys.exit(main())
