"""`kernelc estimate`"""

from kernelc.commands import options as o


def estimate(
    model: o.Model = o.MODEL,
    target: o.Target = o.TARGET,
    quant: o.Quant = o.QUANT,
    seq: o.Seq = o.SEQ,
    batch: o.Batch = o.BATCH,
    embedding: o.Embedding = None,
    json: o.Json = False,
) -> None:
    """Roofline: what the target could do at best with the model, with the arithmetic."""
    from kernelc.commands.inputs import sizes
    from kernelc.roofline import estimate as bounds
    from kernelc.target import TargetSpec
    from kernelrt.console.output import print_json
    from kernelrt.model import ModelSpec

    model_spec, target_spec = ModelSpec.load(model), TargetSpec.load(target)
    found = [
        bounds(model_spec, target_spec, quant, length, together, embedding)
        for length in sizes("--seq", seq)
        for together in sizes("--batch", batch)
    ]
    if json:
        print_json([one.describe() for one in found])
    else:
        print("\n\n".join("\n".join(one.lines) for one in found))
