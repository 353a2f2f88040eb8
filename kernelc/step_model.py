"""A decode step of one sequence on a Radeon that is not there: its kernels compiled to machine code, and modelled.

    seconds of a token = sum over its large kernels of how often they run x their modelled time (kernelc.execution)

Large are the kernels that read a matrix or a KV cache, which are all but about a thousandth of a step's bytes. The
others are left out, and so is what lies between dispatches, so that the figure is rather too high: `modelled`.
"""

from dataclasses import asdict, dataclass

from kernelc.attention import capacity_of
from kernelc.buckets import Buckets
from kernelc.compile import to_isa, to_spirv
from kernelc.execution import LATENCY, Chip, Execution, execution
from kernelc.kernel import KernelSpec
from kernelc.plan import plan
from kernelc.render import render
from kernelc.target import TargetSpec
from kernelc.toolset import Toolset
from kernelrt.model import ModelSpec

_OF_A_LAYER = ("qkv", "o_proj", "ffn_gate_up", "ffn_down")


@dataclass(frozen=True, slots=True)
class Part:
    """A kernel of the step, how often it runs, and one run of it."""

    kernel: str
    count: int
    execution: Execution


@dataclass(frozen=True, slots=True)
class StepModel:
    """A step at `seq` tokens in the cache."""

    seq: int
    parts: tuple[Part, ...]
    chip: Chip

    @property
    def seconds(self) -> float:
        return sum(part.count * part.execution.seconds for part in self.parts)

    def lines(self, ceiling: float) -> tuple[str, ...]:
        """The model's arithmetic, a line a kernel, against the tokens a second that the bus allows."""
        rate = 1 / self.seconds
        return (
            f"decode of 1 token at {self.seq} from the kernels' machine code: modelled, nothing was run",
            *(
                f"  {part.count:3} x {part.kernel}: bus {e.bus * 1e6:.1f} us, issue {e.issue * 1e6:.1f}, "
                f"wait {e.wait * 1e6:.1f} -> {e.seconds * 1e6:.1f} us, bound by {e.bound}"
                for part in self.parts
                for e in (part.execution,)
            ),
            f"  sum {self.seconds * 1e3:.1f} ms -> {rate:.2f} tok/s, {rate / ceiling:.1%} of the {ceiling:.2f} tok/s "
            "that the bus allows",
            "  a kernel takes the longest of bus (bytes / peak bandwidth), issue (vector and LDS cycles of its waves",
            f"  on {self.chip.simds} SIMDs at {self.chip.clock / 1e9:.2f} GHz) and wait ({LATENCY * 1e6:g} us, "
            "assumed, for each pass of its loop), in as many",
            "  generations as its registers make, and its start (kernelc/execution.py)",
            "  not in it: DRAM below its peak, barriers, small kernels, caches, the CPU's share of the bus; "
            "a real device is slower",
        )

    def describe(self) -> dict[str, object]:
        """As plain JSON values; seconds."""
        return {
            "level": "modelled",
            "seq": self.seq,
            "seconds": self.seconds,
            "tokens_per_s": 1 / self.seconds,
            "latency_assumed": LATENCY,
            "kernels": [
                {"kernel": part.kernel, "count": part.count, **asdict(part.execution), "bound": part.execution.bound}
                for part in self.parts
            ],
        }


def step_model(model: ModelSpec, target: TargetSpec, quant: str, embedding: str, seq: int, tools: Toolset) -> StepModel:
    """Compiles and models the step's kernels. InputError for a target that the model is not for, ToolError."""
    chip = Chip.of(target)
    parts: list[Part] = []
    for spec in plan(model, target, Buckets((seq,), (1,), quant, embedding)):
        if count := _count(spec, model, seq):
            isa = to_isa(spec, to_spirv(spec, render(spec), tools), tools)
            parts.append(Part(spec.name, count, execution(spec, isa, chip)))
    return StepModel(seq, tuple(parts), chip)


def _count(spec: KernelSpec, model: ModelSpec, seq: int) -> int:
    """How often a kernel runs in a step of one sequence; 0 for a small one, and for those of other phases."""
    tags = dict(spec.tags)
    if tags.get("phase") != "decode" or spec.work.rows != 1:
        return 0
    if spec.family == "attn_decode":
        return sum(capacity_of(model, kind, seq) == tags["capacity"] for kind in model.layer_kinds)
    return model.layers if spec.family in _OF_A_LAYER else int(spec.family == "head")
