"""`kernelc plan`"""

from kernelc.commands import options as o


def plan(
    model: o.Model = o.MODEL,
    target: o.Target = o.TARGET,
    quant: o.Quant = o.QUANT,
    seq: o.Seq = o.SEQ,
    batch: o.Batch = o.BATCH,
    embedding: o.Embedding = None,
    tuning: o.Tuning = None,
    npu: o.Npu = o.NpuMode.auto,
    json: o.Json = False,
) -> None:
    """List the exact kernels with parameters, FLOPs or MACs, and bytes. Compiles nothing."""
    from dataclasses import asdict

    from kernelc.commands.inputs import inputs
    from kernelc.npu.describe import describe, sizes
    from kernelrt.console.output import print_json, table

    wanted = inputs(model, target, quant, seq, batch, embedding, npu.value, tuning)
    if json:
        kernels = [{**asdict(k), "params": dict(k.params), "tags": dict(k.tags)} for k in wanted.kernels]
        print_json(
            {
                "model": wanted.model.describe(),
                "target": wanted.target.describe(),
                "buckets": asdict(wanted.buckets),
                "kernels": kernels,
                "npu_kernels": [describe(k) for k in wanted.npu_kernels],
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
        rows = [("NPU kernel", "tiles", "MMAC", "MB moved", "compute tile, B", "memory tile, B", "parameters")]
        for k in wanted.npu_kernels:
            work = (str(k.work.tiles), f"{k.work.macs / 1e6:.3f}", f"{k.work.moved / 1e6:.3f}")
            memory = (str(k.budget.memory("compute")), str(k.budget.memory("memory")))
            rows.append((k.name, *work, *memory, " ".join(f"{name}={value}" for name, value in sizes(k).items())))
        print(table(rows, right=(1, 2, 3, 4, 5)))
        print(f"{len(wanted.npu_kernels)} kernels for the NPU; work is of one run of the largest sequence")
