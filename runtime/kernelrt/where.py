"""Which device computes attention, in each phase of a run."""

from dataclasses import dataclass
from typing import Literal, cast, get_args

from kernelrt.errors import InputError
from kernelrt.specfile import shown

Where = Literal["gpu", "npu", "auto"]
Phase = Literal["prefill", "decode"]
_PHASES: tuple[Phase, ...] = get_args(Phase)
_DEVICES: tuple[Where, ...] = get_args(Where)


@dataclass(frozen=True, slots=True)
class Phases:
    """Where attention is computed: "npu" (XRT, or the simulator where there is none), "gpu", or "auto".

    "auto" is an NPU that is there for prompts, where the bundle has kernels for it, and the GPU for decode steps: these
    are bound by memory, which an NPU reads over the same bus, so that it cannot raise their rate.
    """

    prefill: Where = "gpu"
    decode: Where = "gpu"

    @staticmethod
    def parse(text: str) -> "Phases":
        """A device for both phases ("npu"), or for a phase ("prefill=npu,decode=gpu"); a phase without one is the
        GPU's. InputError.
        """
        if text in _DEVICES:
            return Phases(text, text)
        named = [part.partition("=") for part in text.split(",")]
        found = {phase: where for phase, _, where in named}
        if len(found) < len(named) or not found.keys() <= set(_PHASES) or not set(found.values()) <= set(_DEVICES):
            known = "npu, gpu, auto, or one of them for a phase, as in prefill=npu,decode=gpu"
            raise InputError(f"--attention: expected {known}, got {shown(text)}")
        return Phases(**cast(dict[str, Where], found))

    @property
    def on_npu(self) -> tuple[Phase, ...]:
        """The phases that must have an NPU."""
        return tuple(phase for phase in _PHASES if getattr(self, phase) == "npu")
