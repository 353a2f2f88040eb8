"""The calls of a model (kernelrt.gemma) where attention is the NPU's: what the GPU does before that of the first layer,
between two, and after the last.
"""

from collections.abc import Mapping

from kernelrt.buffers import NPU_STEP, npu_caches
from kernelrt.calls import Call, call
from kernelrt.gemma import HEADS, Gemma, caches, written
from kernelrt.model import LayerKind


def split_prefill(gemma: Gemma, rows: int, rings: Mapping[LayerKind, int]) -> list[list[Call]]:
    """Up to `rows` tokens of one sequence. `rings`: the keys that the NPU's kernels take, by the kind of layer."""
    segments = [gemma.begin(rows)]
    for i, kind in enumerate(gemma.model.layer_kinds):
        into = gemma.kernels.find("npu_in", layer=kind, ring=rings[kind], **gemma.cache(kind))
        npu = {name: f"{name}.{kind}" for name in ("npu_q", "npu_k", "npu_v", "npu_out")}
        # The ring forgets what the chunk's first queries see, so the NPU's copy is made before.
        segments[-1] += [
            *gemma.before_attention(rows, i),
            call(into, rows, **HEADS, **caches(i), **npu),
            *gemma.append(rows, i),
        ]
        out = call(gemma.kernels.find("npu_out", phase="prefill"), rows, out_halves="a", **npu)
        segments.append([out, *gemma.after_attention(rows, i)])
    return segments


def split_decode(gemma: Gemma, rows: int) -> list[list[Call]]:
    """One token of each of up to `rows` sequences. `gemma` knows the NPU's rings."""
    out = gemma.kernels.find("npu_out", phase="decode", writes=gemma.step_layout(rows))
    segments = [[gemma.embedding(rows)]]
    for i, kind in enumerate(gemma.model.layer_kinds):
        step = gemma.kernels.find("npu_step", capacity=gemma.capacity_of(kind), ring=gemma.npu_rings[kind])
        npu = {**NPU_STEP, **npu_caches(i)}
        into = call(step, rows, qkv="qkv", **gemma.heads(i, kind), **caches(i), **npu)
        segments[-1] += [*gemma.before_step(rows, i), into]
        segments.append([call(out, rows, **npu, **written("a")), *gemma.after_step(rows, i)])
    return segments
