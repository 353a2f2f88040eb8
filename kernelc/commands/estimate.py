"""`kernelc estimate`"""

import sys
from typing import TYPE_CHECKING

from kernelc.commands import options as o

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kernelc.buckets import Buckets
    from kernelc.step_model import StepModel
    from kernelc.target import TargetSpec
    from kernelrt.model import ModelSpec


def estimate(
    model: o.Model = o.MODEL,
    target: o.Target = o.TARGET,
    quant: o.Quant = o.QUANT,
    seq: o.Seq = o.SEQ,
    batch: o.Batch = o.BATCH,
    embedding: o.Embedding = None,
    tuning: o.Tuning = None,
    json: o.Json = False,
) -> None:
    """Roofline: what the target could do at best with the model, with the arithmetic.

    Where the target has an offline compiler, also decode of one sequence as modelled from the kernels' machine code.
    """
    from kernelc.commands.inputs import buckets_of, tuned
    from kernelc.roofline import estimate as bounds
    from kernelrt.console.output import print_json
    from kernelrt.model import ModelSpec

    model_spec = ModelSpec.load(model)
    buckets = buckets_of(quant, seq, batch, embedding)
    target_spec = tuned(model_spec, target, buckets, tuning)
    found = [
        bounds(model_spec, target_spec, quant, length, together, embedding)
        for length in buckets.seq
        for together in buckets.batch
    ]
    steps = _steps(model_spec, target_spec, buckets)
    if json:
        models = {step.seq: step.describe() for step in steps}
        print_json([{**one.describe(), "machine_code": models.get(one.seq)} for one in found])
    else:
        blocks = [one.lines for one in found]
        for step in steps:
            alone = bounds(model_spec, target_spec, quant, step.seq, 1, embedding)
            blocks.append(step.lines(1 / alone.decode[0].memory_s))
        print("\n\n".join("\n".join(lines) for lines in blocks))


def _steps(model: "ModelSpec", target: "TargetSpec", buckets: "Buckets") -> "Sequence[StepModel]":
    """A modelled step for each capacity; none, with a note, where the target's compiler is missing."""
    if target.offline_compiler is None:
        return []
    from kernelc.step_model import step_model
    from kernelc.toolchain.identity import Memo
    from kernelc.toolset import choose

    tools = choose(target, Memo())
    if tools.offline is None:
        print(f"note: {'; '.join(tools.notes)}; so there is no model of them either", file=sys.stderr)
        return []
    return [step_model(model, target, buckets.quant, buckets.embedding, length, tools) for length in buckets.seq]
