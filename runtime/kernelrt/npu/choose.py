"""Which NPU a run uses, decided before it begins."""

from collections.abc import Sequence

from kernelrt.abi import NpuEntry
from kernelrt.npu.errors import NpuError
from kernelrt.npu.run import Npu
from kernelrt.npu.xrt import XrtNpu
from kernelrt.where import Phases, Where


def chosen(entries: Sequence[NpuEntry], wanted: Phases) -> tuple[Npu | None, Phases, tuple[str, ...]]:
    """The NPU of a run, the phases whose attention it computes, and what the user should know of that. NpuError.

    Of prompts "auto" stays where there is an NPU: whether the bundle has kernels for them is seen when it is planned.
    """
    decode: Where = "npu" if wanted.decode == "npu" else "gpu"
    if (wanted.prefill, decode) == ("gpu", "gpu"):
        return None, Phases(), ()
    try:
        return hardware(entries), Phases(wanted.prefill, decode), ()
    except NpuError as error:
        found = Phases("npu" if wanted.prefill == "npu" else "gpu", decode)
        if found == Phases():
            return None, found, (f"attention runs on the GPU: {error}",)
        return simulator(), found, (f"attention runs on the NPU simulator: {error}",)


def hardware(entries: Sequence[NpuEntry]) -> Npu:
    """The NPU of this machine. NpuError where there is none, or where the bundle has nothing that it can run."""
    if not entries:
        raise NpuError("the bundle has no kernels for an NPU; build one with `kernelc build --npu xclbin`")
    if any(entry.evidence != "compiled" for entry in entries):
        raise NpuError("the bundle's NPU kernels are designs for the simulator; build them with --npu xclbin")
    return XrtNpu.open()


def simulator() -> Npu:
    """The simulator. NpuError where a package that it needs is missing."""
    from kernelrt.npu.sim.npu import SimulatedNpu  # here: kernelrt without its extra `sim` lacks what it imports

    return SimulatedNpu()
