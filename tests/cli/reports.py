"""Reports of a benchmark, made by hand."""

from kernelrt.bench.phase import Phase, Sample
from kernelrt.bench.report import Report, Settings
from kernelrt.bench.roofline import Roof
from kernelrt.cost import Cost


def phase(name: str, gpu_ms: list[float], nbytes: int = 10**7, flops: int = 10**9) -> Phase:
    """Steps of these GPU times, each 1 ms longer by the wall clock."""
    samples = tuple(Sample(ms / 1e3 + 1e-3, ms / 1e3, 2e-4, Cost(1, flops, 0, nbytes, 0)) for ms in gpu_ms)
    return Phase(name, f"one {name}", samples)


def report(read_gbs: float = 10.0, tflops: float | None = None, gpu_ms: float = 4.0) -> Report:
    steps = [gpu_ms + 0.1 * (i % 5) for i in range(19)] + [3 * gpu_ms]
    return Report(
        subject={"bundle": "tiny-host", "model": "tiny"},
        device={"name": "llvmpipe", "driver": "llvmpipe Mesa 25"},
        settings=Settings(16, 20, 1, 1),
        warm_up=2,
        bandwidth_gbs=(read_gbs * 0.9, read_gbs, read_gbs * 0.95),
        roof=Roof(read_gbs, tflops),
        phases=(phase("prefill", [8 * gpu_ms]), phase("decode", steps)),
        memory={"total": 1},
        load={"seconds": 1.0},
    )
