"""`kernelrt bench`"""

from typing import Annotated

import typer

from kernelrt.commands import options as o


def bench(
    bundle: o.BundleName,
    weights: o.Weights = None,
    random_weights: o.RandomWeights = False,
    prefill: Annotated[int, typer.Option(metavar="N", min=1, help="Tokens of each prompt.")] = 512,
    decode: Annotated[int, typer.Option(metavar="N", min=1, help="Decode steps behind the prompts.")] = 128,
    batch: Annotated[int, typer.Option(metavar="N", min=1, help="Sequences that decode together.")] = 1,
    iterations: Annotated[int, typer.Option(metavar="N", min=1, help="How often both are done.")] = 20,
    device: o.DeviceName = None,
    exact: o.Exact = False,
    weights_cache: o.WeightsCache = o.CacheUse.auto,
    plot: Annotated[str | None, typer.Option(metavar="FILE.png", help="Draw the samples; needs matplotlib.")] = None,
    json: o.Json = False,
) -> None:
    """Measure the speed of prefill and decode.

    GPU and CPU time apart, and every sample kept. A figure above what the device can do is an error and no record.
    """
    from kernelrt.bench import plot as drawing
    from kernelrt.bench.report import Settings
    from kernelrt.commands.measuring import measured
    from kernelrt.commands.places import check_output, find_bundle, write_output
    from kernelrt.commands.weights import Source
    from kernelrt.console.output import print_json
    from kernelrt.errors import InputError

    source = Source(weights, random_weights, 0, weights_cache.value)
    picture = check_output("--plot", plot)
    if picture is not None:
        if picture.suffix.lower() != ".png":
            raise InputError(f"--plot {plot}: the picture is a PNG; give it a name that ends in .png")
        drawing.check_matplotlib()
    report = measured(find_bundle(bundle), source, Settings(prefill, decode, batch, iterations, exact), device)
    if picture is not None:
        write_output("--plot", picture, drawing.draw(report))
    if json:
        print_json(report.describe())
    else:
        print(report.text)
