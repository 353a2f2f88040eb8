"""What a run did, as JSON values and as its closing line."""

from dataclasses import asdict, dataclass
from statistics import median

from kernelrt.commands.answer import Answer, Numbers
from kernelrt.engine import Engine
from kernelrt.generate import Result
from kernelrt.run_plan import totals
from kernelrt.sampling import Sampling
from kernelrt.step import StepTimes
from kernelrt.survey import describe as describe_device


@dataclass(frozen=True, slots=True)
class Outcome:
    """One prompt's. `ready_s`: seconds from the start to where the engine takes tokens."""

    engine: Engine
    result: Result
    said: Answer | Numbers
    sampling: Sampling
    chat: bool
    ready_s: float

    @property
    def finish_reason(self) -> str:
        """ "stop" (an id that ends a text), "length" or "stop_string"."""
        reason = self.result.generations[0].finish_reason
        return "stop_string" if reason == "callback" else reason

    @property
    def gpu_s(self) -> float | None:
        """None where the device has no timestamps."""
        return _sum_gpu((*self.result.prefills, *self.result.steps))

    @property
    def cpu_s_per_token(self) -> float | None:
        """Median over the decode steps of the host's own time; None where there was none."""
        return median(times.host for times in self.result.steps) if self.result.steps else None

    def describe(self) -> dict[str, object]:
        """All of it as plain JSON values: times in seconds, sizes in bytes."""
        engine, result = self.engine, self.result
        generation = result.generations[0]
        categories = totals(engine.plan.items)
        return {
            "model": engine.model.name,
            "quant": engine.plan.formats.quant,
            "embedding": engine.plan.formats.embedding,
            "text": self.said.text,
            "tokens": list(generation.tokens),
            "prompt": list(generation.prompt),
            "prompt_tokens": len(generation.prompt),
            "generated_tokens": len(generation.tokens),
            "finish_reason": self.finish_reason,
            "stop_string": self.said.stop,
            "chat": self.chat,
            "sampling": asdict(self.sampling),
            "context": engine.context,
            "prefill_s": result.prefill_s,
            "decode_s": result.decode_s,
            "gpu_s": self.gpu_s,
            "gpu_prefill_s": _sum_gpu(result.prefills),
            "gpu_decode_s": _sum_gpu(result.steps),
            "cpu_s_per_token": self.cpu_s_per_token,
            "submissions": sum(times.submissions for times in (*result.prefills, *result.steps)),
            "device": describe_device(engine.device),
            "memory": {"total": sum(categories.values()), "categories": categories},
            "ready_s": self.ready_s,
            "load": asdict(engine.load_report),
            "notes": engine.notes,
            "operations": [asdict(operation) for operation in engine.operations],
        }

    @property
    def text(self) -> str:
        """One line for a person. The first token comes of the prompt: decode's rate counts the steps behind it."""
        from rich.filesize import decimal

        result, load = self.result, self.engine.load_report
        generation = result.generations[0]
        parts = [
            f"{len(generation.prompt)} prompt tokens in {result.prefill_s:.3f} s"
            f" ({_rate(len(generation.prompt), result.prefill_s)})",
            f"{len(generation.tokens)} generated, {len(result.steps)} by decode steps in {result.decode_s:.3f} s"
            f" ({_rate(len(result.steps), result.decode_s)})",
            "no GPU time: the device has no timestamps" if self.gpu_s is None else f"GPU {self.gpu_s:.3f} s",
        ]
        if self.cpu_s_per_token is not None:
            parts.append(f"CPU {self.cpu_s_per_token * 1e6:.0f} us a token")
        loaded = (
            f"ready after {self.ready_s:.2f} s, of which weights {load.seconds:.2f} s with"
            f" {decimal(load.host_peak_bytes)} of host memory at the most"
        )
        return "; ".join([*parts, loaded, f"ended by {self.finish_reason}", self.engine.device.name])


def _sum_gpu(steps: tuple[StepTimes, ...]) -> float | None:
    times = [step.gpu for step in steps]
    return None if None in times else sum(time for time in times if time is not None)


def _rate(tokens: int, seconds: float) -> str:
    return f"{tokens / seconds:.1f} tok/s" if tokens and seconds > 0 else "no rate"
