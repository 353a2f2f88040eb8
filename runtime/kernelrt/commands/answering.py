"""Running a prompt to its end, and saying what came of it."""

import io
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from kernelrt.bundle import Bundle
from kernelrt.commands.answer import Answer, Numbers
from kernelrt.commands.outcome import Outcome
from kernelrt.commands.places import write_output
from kernelrt.commands.progress import progress
from kernelrt.commands.prompt import Words, check_length
from kernelrt.commands.weights import Source
from kernelrt.console.output import print_json
from kernelrt.console.terminal import visible
from kernelrt.engine import Engine
from kernelrt.errors import InputError
from kernelrt.generate import generate
from kernelrt.run_plan import Options, bucket_sizes, model_of
from kernelrt.sampling import Sampling
from kernelrt.text.find import NoTokenizerError
from kernelrt.text.tokenizer import Tokenizer
from kernelrt.where import Phases


@dataclass(frozen=True, slots=True)
class Request:
    """What the user asked for. `context` None: what prompt and `max_tokens` need, as far as the bundle has it."""

    bundle: Path
    words: Words
    source: Source
    sampling: Sampling
    stops: tuple[str, ...]
    max_tokens: int
    context: int | None
    device: str | None
    exact: bool
    attention: Phases
    trace: Path | None
    dump_logits: Path | None
    json: bool


def answer(request: Request) -> None:
    """Generates: the text on stdout as it comes and everything else on stderr, or all of it as JSON."""
    bundle = Bundle.open(request.bundle)
    model = model_of(bundle)
    with ExitStack() as stack:
        weights = stack.enter_context(request.source.open())
        tokenizer = _tokenizer(request, model.vocab)
        listener = _listener(tokenizer, request)
        prompt, chat = request.words.encode(tokenizer, model.vocab)
        most = bucket_sizes(bundle, "seq")[-1]
        check_length(len(prompt), min(request.context or most, most))
        context = request.context or min(len(prompt) + request.max_tokens, most)
        options = Options(request.device, context, exact=request.exact, attention=request.attention)
        began = perf_counter()
        with progress() as loading:
            engine = stack.enter_context(Engine.open(bundle, weights, options, loading))
        ready_s = perf_counter() - began
        for note in engine.load_report.notes:
            print(f"note: {note}", file=sys.stderr)
        result = generate(
            engine,
            [prompt],
            max_tokens=request.max_tokens,
            sampling=request.sampling,
            on_token=listener.take,
            keep_logits=request.dump_logits is not None,
        )
        listener.finish()
        for note in engine.notes:
            print(f"note: {note}", file=sys.stderr)
        outcome = Outcome(engine, result, listener, request.sampling, chat, ready_s)
        if request.dump_logits is not None and result.logits is not None:
            write_output("--dump-logits", request.dump_logits, npy(result.logits))
        if request.trace is not None:
            write_output("--trace", request.trace, engine.trace.encode())
        if request.json:
            subject = {"bundle": str(request.bundle), "target": bundle.manifest.target["name"]}
            print_json({**subject, "weights": request.source.describe(), **outcome.describe()})
        else:
            print(flush=True)
            print(outcome.text, file=sys.stderr)


def npy(array: NDArray[np.float32]) -> bytes:
    """The array as the bytes of a .npy file."""
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def _tokenizer(request: Request, vocab: int) -> Tokenizer | None:
    """None where ids do without one. NoTokenizerError where a text does not."""
    try:
        return request.source.tokenizer(vocab)
    except NoTokenizerError:
        if request.words.tokens is None:
            raise
        return None


def _listener(tokenizer: Tokenizer | None, request: Request) -> Answer | Numbers:
    terminal = sys.stdout.isatty()

    def show(text: str) -> None:
        if not request.json:
            print(visible(text) if terminal else text, end="", flush=True)

    if tokenizer is not None:
        return Answer(tokenizer, request.stops, show)
    if request.stops:
        raise InputError("--stop: needs a tokenizer, and there is none beside the weights")
    return Numbers(show)
