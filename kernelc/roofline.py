"""What a target could do at best with a model: bytes against bandwidth, operations against peak; all `modelled`.

Every figure is a bound from above: only weights, KV cache and the multiply-adds on them are counted; norms, activations
and dispatches are not, nor is all that a real machine loses. So a measurement above a bound is a measuring fault, which
`check_claim` refuses.
"""

from dataclasses import asdict, dataclass
from typing import Literal

from kernelc.buckets import check_embedding, check_formats
from kernelc.errors import KernelcError
from kernelc.target import TargetSpec
from kernelrt.cost import Cost, decode_cost, head_parameters, layer_parameters, prefill_cost
from kernelrt.errors import Exit, InputError
from kernelrt.model import ModelSpec
from kernelrt.quant import QUANTS, Quant

Phase = Literal["decode", "prefill"]


class ImpossibleClaimError(KernelcError):
    """A figure is above what the target could do at best."""

    exit_code = Exit.INPUT


@dataclass(frozen=True, slots=True)
class Ceiling:
    """The bound of a step in one arithmetic: the slower of memory and compute."""

    arithmetic: str  # fp32, fp16 or int8
    tokens_per_s: float
    memory_s: float
    compute_s: float

    @property
    def bound(self) -> Literal["memory", "compute"]:
        return "memory" if self.memory_s >= self.compute_s else "compute"


@dataclass(frozen=True, slots=True)
class Estimate:
    """The bounds of one configuration: `seq` tokens in each sequence's cache (decode) or in the prompt (prefill)."""

    model: ModelSpec
    target: TargetSpec
    quant: Quant
    embedding: Quant
    seq: int
    batch: int
    decode_cost: Cost
    prefill_cost: Cost
    decode: tuple[Ceiling, ...]
    prefill: tuple[Ceiling, ...]

    @property
    def level(self) -> str:
        return "modelled"

    @property
    def formats(self) -> str:
        """The weights' format, and the embedding's where that is another."""
        apart = self.embedding.name != self.quant.name
        return self.quant.name + f" with the embedding in {self.embedding.name}" * apart

    def best(self, phase: Phase) -> Ceiling:
        """The highest ceiling of the phase, whatever arithmetic the kernels use: what no figure may exceed."""
        return max(getattr(self, phase), key=lambda ceiling: ceiling.tokens_per_s)

    @property
    def lines(self) -> tuple[str, ...]:
        """The arithmetic, a line a step."""
        model, rate = self.model, self.target.bandwidth_gbs
        layers, head = layer_parameters(model), head_parameters(model)
        weights, kv = self.decode_cost.weight_bytes, self.decode_cost.kv_bytes // self.batch
        flops = 2 * model.layers * layers
        limits = ", ".join(
            f"{name} {_rate(peak / flops)}" for name, peak in _peaks(self.target, self.quant, self.embedding)
        )
        return (
            f"{model.name} in {self.formats} on {self.target.title}: modelled, nothing was measured",
            f"weights   {model.layers} layers x {layers / 1e6:.1f} M + head {head / 1e6:.1f} M "
            f"= {(model.layers * layers + head) / 1e9:.2f} G parameters, {weights / 1e9:.2f} GB",
            f"kv cache  {kv / 1e6:.1f} MB a sequence at {self.seq} tokens (fp16; local layers keep {model.window})",
            f"limits    decode: {rate:g} GB/s / {weights / 1e9:.2f} GB = {_rate(rate * 1e9 / weights)} tok/s each",
            f"          prefill without attention, {flops / 1e9:.1f} GFLOP a token: {limits} tok/s",
            *_step_lines(f"decode, {self.batch} x 1 token at {self.seq}", self.decode_cost, self.decode),
            *_step_lines(f"prefill of {self.seq} tokens", self.prefill_cost, self.prefill),
        )

    def describe(self) -> dict[str, object]:
        """The estimate as plain JSON values, for `--json` and for the manifest."""
        phases = (("decode", self.decode_cost, self.decode), ("prefill", self.prefill_cost, self.prefill))
        names = {"model": self.model.name, "target": self.target.name}
        names |= {"quant": self.quant.name, "embedding": self.embedding.name}
        bounds = {
            phase: {**asdict(cost), "ceilings": [{**asdict(c), "bound": c.bound} for c in ceilings]}
            for phase, cost, ceilings in phases
        }
        return {"level": self.level, **names, "seq": self.seq, "batch": self.batch, **bounds}


def estimate(
    model: ModelSpec, target: TargetSpec, quant: str, seq: int, batch: int, embedding: str | None = None
) -> Estimate:
    """The ceilings of decode (`batch` sequences) and prefill (one prompt); `embedding` None: the format `quant`.

    Raises InputError for what has none.
    """
    embedding = quant if embedding is None else embedding
    check_formats(quant, embedding)
    check_embedding(embedding, model)
    if seq < 1 or batch < 1:
        raise InputError(f"an estimate needs at least one token and one sequence, got seq {seq} and batch {batch}")
    formats = (QUANTS[quant], QUANTS[embedding])
    step, prompt = decode_cost(model, *formats, seq, batch), prefill_cost(model, *formats, seq)
    peaks = _peaks(target, *formats)
    return Estimate(
        model=model,
        target=target,
        quant=formats[0],
        embedding=formats[1],
        seq=seq,
        batch=batch,
        decode_cost=step,
        prefill_cost=prompt,
        decode=tuple(_ceiling(step, target, *peak) for peak in peaks),
        prefill=tuple(_ceiling(prompt, target, *peak) for peak in peaks),
    )


def check_claim(bounds: Estimate, phase: Phase, tokens_per_s: float) -> None:
    """Raises ImpossibleClaimError where a figure (tokens/s of the whole batch) is above the ceiling."""
    best = bounds.best(phase)
    if not 0 <= tokens_per_s <= best.tokens_per_s:  # "not" catches NaN as well
        raise ImpossibleClaimError(
            f"{phase} at {_rate(tokens_per_s)} tok/s is impossible: {bounds.model.name} in {bounds.formats} on "
            f"{bounds.target.name} cannot exceed {_rate(best.tokens_per_s)} tok/s (batch {bounds.batch}, "
            f"{bounds.seq} tokens, bound by {best.bound}); the measurement is wrong, or the target's rates are"
        )


def _peaks(target: TargetSpec, quant: Quant, embedding: Quant) -> tuple[tuple[str, float], ...]:
    """The arithmetics that the products could run in, with operations a second; f16 weights have no int8 products."""
    int8 = target.int8_tops if quant.scaled or embedding.scaled else 0
    rates = (("fp32", target.fp32_tflops), ("fp16", target.fp16_tflops), ("int8", int8))
    peaks = tuple((name, rate * 1e12) for name, rate in rates if rate)
    if not peaks or not target.bandwidth_gbs:
        raise InputError(f"target {target.name} states no rates, so it has no roofline")
    return peaks


def _ceiling(cost: Cost, target: TargetSpec, arithmetic: str, peak: float) -> Ceiling:
    memory, compute = cost.bytes / (target.bandwidth_gbs * 1e9), cost.flops / peak
    return Ceiling(arithmetic, cost.tokens / max(memory, compute), memory, compute)


def _rate(tokens_per_s: float) -> str:
    return f"{tokens_per_s:.1f}" if tokens_per_s < 1000 else f"{tokens_per_s:.0f}"


def _step_lines(title: str, cost: Cost, ceilings: tuple[Ceiling, ...]) -> tuple[str, ...]:
    return (
        f"{title}: {cost.bytes / 1e9:.2f} GB (weights {cost.weight_bytes / 1e9:.2f}, kv {cost.kv_bytes / 1e9:.3f}), "
        f"{cost.flops / 1e9:.1f} GFLOP (attention {cost.attention_flops / 1e9:.2f})",
        *(
            f"  {c.arithmetic}: memory {c.memory_s * 1e3:.2f} ms, compute {c.compute_s * 1e3:.2f} ms -> "
            f"at most {_rate(c.tokens_per_s)} tok/s, bound by {c.bound}"
            for c in ceilings
        ),
    )
