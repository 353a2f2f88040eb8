"""`kernelc plan`"""

from kernelc.commands import options as o


def plan(
    model: o.Model = o.MODEL,
    target: o.Target = o.TARGET,
    quant: o.Quant = o.QUANT,
    seq: o.Seq = o.SEQ,
    batch: o.Batch = o.BATCH,
    embedding: o.Embedding = None,
    json: o.Json = False,
) -> None:
    """List the exact kernels with parameters, FLOPs and bytes. Compiles nothing."""
    from dataclasses import asdict

    from kernelc.commands.inputs import inputs
    from kernelrt.console.output import print_json, table

    wanted = inputs(model, target, quant, seq, batch, embedding, "auto")
    if json:
        kernels = [{**asdict(k), "params": dict(k.params), "tags": dict(k.tags)} for k in wanted.kernels]
        npu = [
            {
                "name": k.name,
                "family": k.family,
                "sequences": k.sequences,
                "arguments": [asdict(argument) for argument in k.arguments],
                "work": asdict(k.work),
                "tags": dict(k.tags),
            }
            for k in wanted.npu_kernels
        ]
        print_json(
            {
                "model": wanted.model.describe(),
                "target": wanted.target.describe(),
                "buckets": asdict(wanted.buckets),
                "kernels": kernels,
                "npu_kernels": npu,
            }
        )
        return
    rows = [("kernel", "rows", "MFLOP", "MB read", "MB written", "parameters")]
    for k in wanted.kernels:
        w = k.work
        numbers = (f"{w.flops / 1e6:.3f}", f"{w.bytes_read / 1e6:.3f}", f"{w.bytes_written / 1e6:.3f}")
        rows.append((k.name, str(w.rows), *numbers, " ".join(f"{name}={value}" for name, value in k.params)))
    print(table(rows, right=(1, 2, 3, 4)))
    print(f"{len(wanted.kernels)} kernels; work is of one dispatch at that many rows")
    if wanted.npu_kernels:
        rows = [("NPU kernel", "tiles", "MMAC", "MB moved", "sequences")]
        for k in wanted.npu_kernels:
            numbers = (str(k.work.tiles), f"{k.work.macs / 1e6:.3f}", f"{k.work.moved / 1e6:.3f}")
            rows.append((k.name, *numbers, " ".join(k.sequences)))
        print(table(rows, right=(1, 2, 3)))
        print(f"{len(wanted.npu_kernels)} kernels for the NPU; work is of one run of the largest sequence")
