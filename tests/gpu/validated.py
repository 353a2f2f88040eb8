"""What runs under Vulkan's validation layers (test_validation.py): a whole life of an engine, or a known mistake."""

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from kernelc.buckets import Buckets
from kernelrt.engine import Engine
from kernelrt.generate import generate
from kernelrt.gpu.api import Arena, CData
from kernelrt.gpu.commands import Commands
from kernelrt.gpu.device import Device
from kernelrt.gpu.memory import Buffer
from kernelrt.model import ModelSpec
from kernelrt.run_plan import Options
from kernelrt.sampling import Sampling
from kernelrt.step import Step
from kernelrt.weights.random import RandomWeights
from kernelrt.weights.slots import Formats
from kernelrt.weights.source import open_checkpoint
from tests.fixtures.checkpoints import write_gguf
from tests.fixtures.engine import LAVAPIPE, bundle_of
from tests.fixtures.weights import destination, silent
from tests.oracle.weights import tensors


def live() -> None:
    """Loading, prefill in chunks, batches of every form, both ends, steps ahead, logits, a measurement, closing."""
    bundle = bundle_of(ModelSpec.load("tiny"), Buckets(seq=(64,), batch=(1, 4, 12), quant="q8_0"))
    options = Options(device=LAVAPIPE, batch=12, scratch=1 << 16)
    with Engine.open(bundle, RandomWeights(seed=1), options) as engine:
        prompts = [[2 + i] * (1 + 3 * i) for i in range(12)]
        generate(engine, prompts, max_tokens=3, stop_ids=(), keep_logits=True)
        sampled = Sampling(temperature=1.0, top_k=40, top_p=0.9, repetition_penalty=1.1)
        generate(engine, prompts[:3], max_tokens=5, stop_ids=(), sampling=sampled)
        generate(engine, prompts[:1], max_tokens=5, stop_ids=())
        token = engine.prefill(0, prompts[3], sampling=sampled)
        engine.decode([Step(0, token, len(prompts[3]), sampled)], ahead=True)
        engine.prefill(0, prompts[2], len(prompts[3]) + 1, sampled)  # what was under way was in vain
        engine.measure_read(samples=1)


def load() -> None:
    """A GGUF file through a ring that is used again and again, its blocks by way of raw buffers and without them."""
    model, formats = ModelSpec.load("tiny"), Formats("q4_0", "q4_0")
    with tempfile.TemporaryDirectory() as folder, Device.open(LAVAPIPE) as device:
        path = write_gguf(Path(folder) / "w.gguf", model, tensors(model, 1), "q4_0")
        with open_checkpoint(path, "off") as checkpoint, destination(device, model, formats) as target:
            checkpoint.load(target, silent)
            checkpoint.load(replace(target, raw=()), silent)


def wrong() -> None:
    """A copy from behind the end of a buffer, and two to one place with no barrier between them."""
    with Device.open(LAVAPIPE) as device, Buffer(device, 64) as a, Buffer(device, 64) as b:
        copy = device.vk.lib.vkCmdCopyBuffer
        behind, inside = (Arena(device.vk).new("VkBufferCopy", srcOffset=at, size=32) for at in (48, 0))

        def record(command: CData) -> None:
            for region in (behind, inside, inside):
                copy(command, a.handle, b.handle, 1, region)

        Commands(device, record).close()


if __name__ == "__main__":
    {"live": live, "load": load, "wrong": wrong}[sys.argv[1]]()
    print("done")
