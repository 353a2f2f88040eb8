"""`kernelrt run`"""

from typing import Annotated

import typer

from kernelrt.commands import options as o


def run(
    bundle: o.BundleName,
    weights: o.Weights = None,
    random_weights: o.RandomWeights = False,
    prompt: Annotated[str | None, typer.Option(metavar="TEXT", help="What to answer or to continue.")] = None,
    prompt_file: Annotated[str | None, typer.Option(metavar="FILE", help="The same from a file, in UTF-8.")] = None,
    tokens: Annotated[
        str | None, typer.Option(metavar="N,N,…", help="The prompt as token ids; needs no tokenizer.")
    ] = None,
    chat: Annotated[
        bool | None,
        typer.Option("--chat/--no-chat", help="As a turn of a chat, or as it is. [default: --chat for chat models]"),
    ] = None,
    system: Annotated[str | None, typer.Option(metavar="TEXT", help="Instructions that begin the chat.")] = None,
    max_tokens: Annotated[int, typer.Option(metavar="N", min=1, help="The most tokens to generate.")] = 256,
    stop: Annotated[list[str] | None, typer.Option(metavar="TEXT", help="Ends the answer; may be repeated.")] = None,
    temperature: Annotated[float, typer.Option(metavar="T", help="0: always the most probable token.")] = 0.0,
    top_k: Annotated[int, typer.Option(metavar="K", help="Only the K most probable tokens; 0: all.")] = 0,
    top_p: Annotated[float, typer.Option(metavar="P", help="Only the most probable tokens up to P in sum.")] = 1.0,
    repetition_penalty: Annotated[
        float, typer.Option(metavar="R", help="Above 1: what occurred is less likely.")
    ] = 1.0,
    seed: Annotated[int, typer.Option(metavar="S", help="Of the draws, and of --random-weights.")] = 0,
    context: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Tokens to make room for. [default: what prompt and --max-tokens need]"),
    ] = None,
    device: o.DeviceName = None,
    exact: o.Exact = False,
    attention: o.Attention = "gpu",
    weights_cache: o.WeightsCache = o.CacheUse.auto,
    dump_logits: Annotated[
        str | None,
        typer.Option(metavar="FILE.npy", help="Write the logits: float32 [steps, vocab], 0: behind the prompt."),
    ] = None,
    trace: Annotated[
        str | None, typer.Option(metavar="FILE.json", help="Write what ran when, for chrome://tracing or Perfetto.")
    ] = None,
    json: o.Json = False,
) -> None:
    """Generate text from a prompt."""
    from kernelrt.commands.answering import Request, answer
    from kernelrt.commands.places import check_output, find_bundle
    from kernelrt.commands.prompt import Words
    from kernelrt.commands.weights import Source
    from kernelrt.sampling import Sampling
    from kernelrt.where import Phases

    request = Request(
        words=Words(prompt, prompt_file, tokens, chat, system),
        source=Source(weights, random_weights, seed, weights_cache.value),
        sampling=Sampling(temperature, top_k, top_p, seed, repetition_penalty),
        stops=tuple(stop or ()),
        max_tokens=max_tokens,
        context=context,
        device=device,
        exact=exact,
        attention=Phases.parse(attention),
        trace=check_output("--trace", trace),
        dump_logits=check_output("--dump-logits", dump_logits),
        json=json,
        bundle=find_bundle(bundle),  # last: a wrong word is told before a missing file
    )
    answer(request)
