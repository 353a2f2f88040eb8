"""A Gemma 3 wired from the kernels of a plan, with random weights, and the same weights in fp64."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kernelc.buckets import Buckets
from kernelc.plan import plan
from kernelc.target import TargetSpec
from kernelrt.gpu.device import Device
from kernelrt.gpu.run import Dispatch
from kernelrt.model import ModelSpec
from kernelrt.params import Params, Sequence
from kernelrt.quant import QUANTS
from tests.kernels.machine import Machine
from tests.oracle.embedding import embedding
from tests.oracle.gemma import Layer, forward
from tests.oracle.quantize import planes

SEQ = 64  # cache of the global layers
NORMS = ("input_norm", "post_attention_norm", "pre_ffn_norm", "post_ffn_norm", "q_norm", "k_norm")


@dataclass
class Gemma:
    """A model of random weights on a machine, and the same weights in fp64."""

    model: ModelSpec
    quant: str
    table: str  # the embedding's format, and so the head's
    machine: Machine
    layers: list[Layer]
    embedding: NDArray[np.float64]
    final_norm: NDArray[np.float64]

    @staticmethod
    def random(device: Device, model: ModelSpec, quant: str, seed: int, slots: int, table: str = "") -> "Gemma":
        rng = np.random.default_rng(seed)
        buckets = Buckets(seq=(SEQ,), batch=(slots,), quant=quant, embedding=table)
        machine = Machine(device, plan(model, TargetSpec.load("host"), buckets), rows=SEQ, slots=slots)

        def matrix(name: str, rows: int, width: int, scale: float) -> NDArray[np.float64]:
            form = buckets.embedding if name == "embedding" else quant
            quants, scales, meant = planes(rng.standard_normal((rows, width)).astype(np.float32) * scale, form)
            machine.upload(f"{name}.w", quants)
            if scales is not None:
                machine.upload(f"{name}.scale", scales)
            return meant

        def norm(name: str, width: int) -> NDArray[np.float64]:
            weight = (1 + 0.3 * rng.standard_normal(width)).astype(np.float32)
            machine.upload(name, weight)
            return weight.astype(np.float64)

        layers: list[Layer] = []
        for i in range(model.layers):
            widths = (model.hidden,) * 4 + (model.head_dim,) * 2
            norms = {name: norm(f"{i}.{name}", width) for name, width in zip(NORMS, widths, strict=True)}
            layers.append(
                Layer(
                    qkv=matrix(f"{i}.qkv", model.qkv_rows, model.hidden, model.hidden**-0.5),
                    o_proj=matrix(f"{i}.o_proj", model.hidden, model.attn_width, model.attn_width**-0.5),
                    gate=matrix(f"{i}.gate", model.ffn, model.hidden, model.hidden**-0.5),
                    up=matrix(f"{i}.up", model.ffn, model.hidden, model.hidden**-0.5),
                    down=matrix(f"{i}.down", model.hidden, model.ffn, model.ffn**-0.5),
                    **norms,
                )
            )
        embedded = matrix("embedding", model.vocab, model.hidden, model.hidden**-0.5)
        final = norm("final_norm", model.hidden)
        machine.upload("ones", np.ones(model.hidden, np.float32))
        for name in ("x", "y"):
            machine.upload(name, np.zeros((SEQ, model.hidden), np.float32))
        gemma = Gemma(model, quant, buckets.embedding, machine, layers, embedded, final)
        for i, kind in enumerate(model.layer_kinds):
            # NaN: an entry that was never written must never be read.
            empty = np.full((slots, model.kv_heads, gemma._capacity(kind), model.head_dim), np.nan, np.float16)
            machine.upload(f"{i}.k", empty)
            machine.upload(f"{i}.v", empty)
        kinds = ("local", "global")
        machine.submit(Params(SEQ), [gemma._run(f"rope_table.{kind}", 1, table=f"rope.{kind}") for kind in kinds])
        return gemma

    def logits(self, tokens: list[int]) -> NDArray[np.float64]:
        """The reference's logits of every position, [tokens, vocab]."""
        ones = embedding(np.ones((1, self.model.hidden)), np.zeros(1, np.uint32))
        return forward(self.model, self.embedding, float(ones[0, 0]), self.layers, self.final_norm, tokens)

    def _run(self, kernel: str, rows: int, **binds: str) -> Dispatch:
        return self.machine.dispatch(kernel, rows, binds)

    def _weights(self, matrix: str, binding: str = "w") -> dict[str, str]:
        form = QUANTS[self.table if matrix == "embedding" else self.quant]
        return {binding: f"{matrix}.w"} | ({f"{binding}_scale": f"{matrix}.scale"} if form.scaled else {})

    def _embed(self, rows: int) -> Dispatch:
        return self._run(f"embedding.{self.table}", rows, tokens="tokens", residual="x", **self._weights("embedding"))

    def _norm(self, i: int, after: str) -> tuple[str, str]:
        """The two norm weights of the stretch before layer i's qkv or ffn (`after` names the branch before it)."""
        if after == "attention":
            return f"{i}.post_attention_norm", f"{i}.pre_ffn_norm"
        before = f"{i - 1}.post_ffn_norm" if i else "ones"
        return before, (f"{i}.input_norm" if i < self.model.layers else "final_norm")

    def _capacity(self, kind: str) -> int:
        return min(self.model.window, SEQ) if kind == "local" else SEQ

    def _stretch(self, i: int, after: str) -> dict[str, str]:
        """What a norm, or a product with one for its prologue, binds; the residual changes between x and y."""
        post, pre = self._norm(i, after)
        buffers = self.machine.buffers
        buffers["x"], buffers["y"] = buffers["y"], buffers["x"]
        branch = "o" if after == "attention" else "f"
        return {"branch": branch, "residual": "y", "residual_out": "x", "post_weight": post, "pre_weight": pre}

    def decode(self, tokens: list[int], positions: list[int], bucket: int, dot: bool) -> tuple[NDArray, NDArray]:
        """One step of a batch, slot i for sequence i; gives (logits [batch, vocab], greedy tokens)."""
        machine, form = self.machine, "lanes_q8" if dot else "lanes_f32"
        tail, head = (f"b{bucket}.{quant}{'.dot' if dot else ''}" for quant in (self.quant, self.table))
        self._begin(tokens, bucket)
        steps = [self._embed(bucket)]

        def normed(kernel: str, i: int, after: str, **binds: str) -> None:
            if bucket == 1:  # the norm is the product's prologue
                steps.append(self._run(kernel, bucket, **self._stretch(i, after), **binds))
            else:
                quant = self.table if kernel.startswith("head") and self._units_differ else self.quant
                steps.append(self._run(f"norm.{form}.{quant}", bucket, **self._stretch(i, after), **_out("h", dot)))
                steps.append(self._run(kernel, bucket, **_in("h", dot), **binds))

        for i, kind in enumerate(self.model.layer_kinds):
            normed(f"qkv.{tail}", i, "ffn", out_rows="qkv", **self._weights(f"{i}.qkv"))
            attention = f"attn_decode.s{self._capacity(kind)}.{form}"
            heads = {**self._heads(i, kind), **self._caches(i)}
            steps.append(self._run(attention, bucket, qkv="qkv", **heads, **_out("a", dot)))
            o_proj = self._weights(f"{i}.o_proj")
            steps.append(self._run(f"o_proj.{tail}", bucket, out_rows="o", **_in("a", dot), **o_proj))
            normed(f"ffn_gate_up.{tail}", i, "attention", **_out("g", dot), **self._gate_up(i))
            down = self._weights(f"{i}.down")
            steps.append(self._run(f"ffn_down.{tail}", bucket, out_rows="f", **_in("g", dot), **down))
        normed(f"head.{head}", self.model.layers, "ffn", out_rows="logits", best="best", **self._weights("embedding"))
        parts = machine.specs[f"head.{head}"].bindings[-1].shape[1]
        steps.append(self._run(f"argmax.p{parts}", bucket, partials="best", tokens="next"))
        sequences = tuple(Sequence(position=p, slot=i) for i, p in enumerate(positions))
        machine.submit(Params(len(tokens), sequences=sequences), steps)
        logits = machine.buffers["logits"].array(np.float32, len(tokens) * self.model.vocab)
        return logits.reshape(len(tokens), -1), machine.buffers["next"].array(np.uint32, len(tokens))

    def decode_tiled(self, tokens: list[int], positions: list[int], bucket: int) -> NDArray:
        """One step of a batch of more than 8, by the matrix forms; gives logits [batch, vocab]."""
        machine, q = self.machine, f"b{bucket}.{self.quant}.tile"
        self._begin(tokens, bucket)
        steps = [self._embed(bucket)]
        rows_of_h = {"out_rows": "h", "row_max": "row_max"}
        for i, kind in enumerate(self.model.layer_kinds):
            heads = {**self._heads(i, kind), **self._caches(i)}
            attention = f"attn_decode.s{self._capacity(kind)}.rows_f16"
            steps += [
                self._run("norm.rows_f32", bucket, **self._stretch(i, "ffn"), **rows_of_h),
                self._run(f"qkv.{q}", bucket, x="h", out_rows="qkv", **self._weights(f"{i}.qkv")),
                self._run(attention, bucket, qkv="qkv", out_halves="a", **heads),
                self._run(f"o_proj.{q}", bucket, x="a", out_rows="o", **self._weights(f"{i}.o_proj")),
                self._run("norm.rows_f32", bucket, **self._stretch(i, "attention"), **rows_of_h),
                self._run(f"ffn_gate_up.{q}", bucket, x="h", out_rows="g", row_max="row_max", **self._gate_up(i)),
                self._run(f"ffn_down.{q}", bucket, x="g", out_rows="f", **self._weights(f"{i}.down")),
            ]
        steps.append(self._run("norm.rows_f32", bucket, **self._stretch(self.model.layers, "ffn"), **rows_of_h))
        steps.append(
            self._run(
                f"head.b{bucket}.{self.table}.tile", bucket, x="h", out_rows="logits", **self._weights("embedding")
            )
        )
        sequences = tuple(Sequence(position=p, slot=i) for i, p in enumerate(positions))
        machine.submit(Params(len(tokens), sequences=sequences), steps)
        return machine.buffers["logits"].array(np.float32, len(tokens) * self.model.vocab).reshape(len(tokens), -1)

    def prefill(self, tokens: list[int], start: int, slot: int) -> NDArray:
        """A chunk into the caches of `slot`; gives the logits [vocab] of its last token."""
        rows, q = len(tokens), f"prefill.{self.quant}.tile"
        self._begin(tokens, SEQ)
        steps = [self._embed(rows)]
        chunk = {"k_chunk": "k_chunk", "v_chunk": "v_chunk"}
        rows_of_h = {"out_rows": "h", "row_max": "row_max"}
        for i, kind in enumerate(self.model.layer_kinds):
            tail = f"{kind}.s{self._capacity(kind)}.c64"
            steps += [
                self._run("norm.rows_f32", rows, **self._stretch(i, "ffn"), **rows_of_h),
                self._run(f"qkv.{q}", rows, x="h", out_rows="qkv", **self._weights(f"{i}.qkv")),
                self._run("qk_rope.c64", rows, qkv="qkv", q_chunk="q_chunk", **chunk, **self._heads(i, kind)),
                self._run(
                    f"attn_prefill.{tail}.plain", rows, q_chunk="q_chunk", out_halves="a", **chunk, **self._caches(i)
                ),
                self._run(f"kv_append.s{self._capacity(kind)}.c64", rows, **chunk, **self._caches(i)),
                self._run(f"o_proj.{q}", rows, x="a", out_rows="o", **self._weights(f"{i}.o_proj")),
                self._run("norm.rows_f32", rows, **self._stretch(i, "attention"), **rows_of_h),
                self._run(f"ffn_gate_up.{q}", rows, x="h", out_rows="g", row_max="row_max", **self._gate_up(i)),
                self._run(f"ffn_down.{q}", rows, x="g", out_rows="f", **self._weights(f"{i}.down")),
            ]
        head = f"head.b1.{self.table}"
        binds = {**self._stretch(self.model.layers, "ffn"), **self._weights("embedding")}
        parts = self.machine.specs[head].bindings[-1].shape[1]
        steps.append(self._run(head, 1, out_rows="logits", best="best", **binds))
        steps.append(self._run(f"argmax.p{parts}", 1, partials="best", tokens="next"))
        self.machine.submit(Params(rows, start=start, slot=slot), steps)
        logits = self.machine.buffers["logits"].array(np.float32, self.model.vocab)
        assert self.machine.buffers["next"].array(np.uint32, 1)[0] == logits.argmax()
        return logits

    @property
    def _units_differ(self) -> bool:
        """Whether the head reads lanes that are cut otherwise, by a norm of its own."""
        return QUANTS[self.table].unit != QUANTS[self.quant].unit

    def _begin(self, tokens: list[int], bucket: int) -> None:
        """The tokens, and no branch before the first layer."""
        self.machine.upload("tokens", np.array(tokens + [0] * (bucket - len(tokens)), np.uint32))
        self.machine.upload("f", np.zeros((bucket, self.model.hidden), np.float32))

    def _heads(self, i: int, kind: str) -> dict[str, str]:
        return {"q_norm": f"{i}.q_norm", "k_norm": f"{i}.k_norm", "rope": f"rope.{kind}"}

    def _caches(self, i: int) -> dict[str, str]:
        return {"k_cache": f"{i}.k", "v_cache": f"{i}.v"}

    def _gate_up(self, i: int) -> dict[str, str]:
        return {**self._weights(f"{i}.gate"), **self._weights(f"{i}.up", "w_up")}


def _out(name: str, dot: bool) -> dict[str, str]:
    """How a kernel writes activations for a matvec form."""
    return {"out_words": name, "out_scale": f"{name}.scale"} if dot else {"out_lanes": name}


def _in(name: str, dot: bool) -> dict[str, str]:
    """How a matvec form reads them."""
    return {"x": name, "x_scale": f"{name}.scale"} if dot else {"x": name}
