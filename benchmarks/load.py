"""How long weights take from a file in the page cache to a model that is ready.

    python -m benchmarks.load --bundle BUNDLE --device NVIDIA [--file W.gguf]

Writes a GGUF file of the bundle's model with random weights (15 GB for Gemma 3 27B in Q4_0), unless it is there, and
opens the bundle with it several times: from the file itself, and from the cache file of repacked weights, which the
first opening with it writes. What is timed is opening: kernels, memory, weights, recordings. Level: measured, on the
device that the output names.
"""

import argparse
import json
import time
from dataclasses import asdict
from pathlib import Path

import gguf
import numpy as np

from kernelrt.api import Bundle, Engine, Options, open_checkpoint
from kernelrt.model import ModelSpec
from kernelrt.run_plan import model_of
from kernelrt.weights.names import gguf_name
from kernelrt.weights.source import CacheMode
from tests.fixtures.checkpoints import gguf_writer, write

_TYPES = {"q4_0": gguf.GGMLQuantizationType.Q4_0, "q8_0": gguf.GGMLQuantizationType.Q8_0}
_BYTES = {"q4_0": 18, "q8_0": 34}  # of a block of 32, its first two the scale


def shapes(model: ModelSpec) -> dict[str, tuple[int, ...]]:
    """The tensors of a checkpoint by role: [height, width] of matrices, [width] of norms."""
    heads, keys, hidden = model.heads * model.head_dim, model.kv_heads * model.head_dim, model.hidden
    layer: dict[str, tuple[int, ...]] = {
        "q": (heads, hidden),
        "k": (keys, hidden),
        "v": (keys, hidden),
        "o_proj": (hidden, heads),
        "gate": (model.ffn, hidden),
        "up": (model.ffn, hidden),
        "down": (hidden, model.ffn),
        **{f"{name}_norm": (hidden,) for name in ("input", "post_attention", "pre_ffn", "post_ffn")},
        **{f"{name}_norm": (model.head_dim,) for name in ("q", "k")},
    }
    top: dict[str, tuple[int, ...]] = {"embedding": (model.vocab, hidden), "final_norm": (hidden,)}
    return top | {f"{i}.{role}": shape for i in range(model.layers) for role, shape in layer.items()}


def make(path: Path, model: ModelSpec, quant: str) -> None:
    """A file of random weights. Tensors of one shape have the same ones: loading does not look at them. It is there
    when it is whole.
    """
    rng = np.random.default_rng(0)
    new = path.with_suffix(".new")
    made: dict[tuple[int, ...], np.ndarray[tuple[int, ...], np.dtype[np.uint8 | np.float32]]] = {}
    writer = gguf_writer(new, model)
    for role, shape in shapes(model).items():
        if len(shape) == 1:
            writer.add_tensor(gguf_name(role), made.setdefault(shape, np.ones(shape, np.float32)))
            continue
        if shape not in made:
            blocks = rng.integers(0, 256, (shape[0], shape[1] // 32, _BYTES[quant]), np.uint8)
            blocks[..., :2] = np.frombuffer(np.float16(0.002).tobytes(), np.uint8)
            made[shape] = blocks.reshape(shape[0], -1)
        writer.add_tensor(gguf_name(role), made[shape], raw_dtype=_TYPES[quant])
    write(writer)
    new.replace(path)


def opening(bundle: Bundle, path: Path, cache: CacheMode, options: Options) -> dict[str, object]:
    """Opens a bundle once."""
    began = time.perf_counter()
    with open_checkpoint(path, cache) as checkpoint, Engine.open(bundle, checkpoint, options) as engine:
        seconds = time.perf_counter() - began
        report = engine.load_report
        rate = report.bytes_read / report.seconds / 1e9
        print(f"{report.how}: ready in {seconds:.2f} s, weights {report.seconds:.2f} s, {rate:.2f} GB/s", flush=True)
        return {"device": engine.device.name, "cache": cache, "seconds": seconds, **asdict(report)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", required=True)
    parser.add_argument("--device", help="part of the device's name")
    parser.add_argument("--file", type=Path, default=Path("build/load.gguf"))
    parser.add_argument("--times", type=int, default=3, help="how often each way is taken")
    parser.add_argument("--json", metavar="FILE", help="also write the figures here")
    arguments = parser.parse_args()
    bundle = Bundle.open(arguments.bundle)
    formats = {str(bundle.manifest.buckets[name]) for name in ("quant", "embedding")}
    if len(formats) > 1 or not formats <= set(_TYPES):
        raise SystemExit(
            f"{arguments.bundle}: is in {' and '.join(formats)}; expected {' or '.join(_TYPES)} throughout"
        )
    if not arguments.file.exists():
        arguments.file.parent.mkdir(parents=True, exist_ok=True)
        began = time.perf_counter()
        make(arguments.file, model_of(bundle), formats.pop())
        print(f"{arguments.file}: {arguments.file.stat().st_size} bytes, {time.perf_counter() - began:.1f} s to write")
    options = Options(device=arguments.device)
    ways: tuple[CacheMode, ...] = ("off", "always")
    found = [opening(bundle, arguments.file, way, options) for way in ways for _ in range(arguments.times)]
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
