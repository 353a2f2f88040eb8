"""Gemma 3: which kernel runs on which buffers, in which order.

One layer (four norms; f and o are branches that the next norm adds to the residual stream):

    x = x + post_ffn_norm(f);        o = o_proj(attention(qkv(input_norm(x))))
    x = x + post_attention_norm(o);  f = down(gelu_tanh(gate(pre_ffn_norm(x))) * up(pre_ffn_norm(x)))

Before the first layer f is zero. A stretch (add a branch, norm) reads the residual stream from one buffer and writes
it to another, x and y in turn: where it is a product's prologue, every workgroup reads the one and the first writes the
other. A layer has two stretches, so that each one begins at x.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from kernelrt.abi import KernelEntry, Value
from kernelrt.buffers import npu_caches
from kernelrt.calls import Call, call
from kernelrt.chain import linked
from kernelrt.kernels import Kernels
from kernelrt.model import LayerKind, ModelSpec

HEADS = {"q_chunk": "q_chunk", "k_chunk": "k_chunk", "v_chunk": "v_chunk"}
MATVEC_ROWS = 8  # up to so many rows, products are matrix-vector products over activations in lanes
Finish = Literal["greedy", "sampled"]


@dataclass(frozen=True, slots=True)
class Gemma:
    """The calls of one model. `capacity` is the KV cache of the global layers in tokens (a sequence bucket of the
    bundle); that of the local ones is a ring of min(window, capacity) entries. `exact`: products of many rows in f32,
    also where cooperative matrices would compute them faster from fp16 operands. `npu_rings`: the entries of the caches
    that decode steps on an NPU read, by the kind of layer; none where these are the GPU's.
    """

    model: ModelSpec
    kernels: Kernels
    capacity: int
    exact: bool = False
    npu_rings: Mapping[LayerKind, int] = field(default_factory=dict[LayerKind, int])

    def load(self) -> list[Call]:
        """What runs once: the tables of the rotary embedding."""
        return [
            call(self.kernels.find("rope_table", layer=kind), 1, table=f"rope.{kind}")
            for kind in dict.fromkeys(self.model.layer_kinds)
        ]

    @property
    def chunk(self) -> int:
        """The most tokens of a prefill chunk."""
        rows = self.kernels.first("qkv", self._forms(phase="prefill")).tags["rows"]
        assert isinstance(rows, int)
        return min(rows, self.capacity)

    def prefill(self, rows: int) -> list[Call]:
        """Up to `rows` tokens of one sequence into its caches; ends before the head."""
        calls = self.begin(rows)
        for i, kind in enumerate(self.model.layer_kinds):
            attention = self.kernels.first("attn_prefill", self._forms(layer=kind, **self.cache(kind)))
            calls += [
                *self.before_attention(rows, i),
                call(attention, rows, out_halves="a", **HEADS, **caches(i)),
                *self.append(rows, i),
                *self.after_attention(rows, i),
            ]
        return calls

    def begin(self, rows: int) -> list[Call]:
        """What comes before a chunk's first layer."""
        return [self.embedding(rows), self.count(rows)]

    def count(self, rows: int) -> Call:
        """A chunk's tokens to those that a repetition penalty counts."""
        return call(self.kernels.find("seen", phase="prefill"), rows, tokens="tokens", seen="seen")

    def before_attention(self, rows: int, i: int) -> Iterator[Call]:
        """A chunk's queries, keys and values in a layer, apart from those before."""
        kind, rope = self.model.layer_kinds[i], self.kernels.find("qk_rope", chunk=self._scratch)
        yield from self._normed(self._prefill("qkv", rows), rows, i, "ffn", out_rows="qkv", **_planes(f"{i}.qkv"))
        yield call(rope, rows, qkv="qkv", **self.heads(i, kind), **HEADS)

    def append(self, rows: int, i: int) -> Iterator[Call]:
        """A chunk's keys and values into the layer's cache, or caches."""
        kind = self.model.layer_kinds[i]
        yield call(self.kernels.find("kv_append", **self.cache(kind)), rows, **HEADS, **caches(i))
        if kind in self.npu_rings:
            append = self.kernels.find("npu_append", chunk=self._scratch, ring=self.npu_rings[kind])
            yield call(append, rows, **HEADS, **npu_caches(i))

    def after_attention(self, rows: int, i: int) -> Iterator[Call]:
        """The rest of a chunk's layer."""
        gate_up, down = self._prefill("ffn_gate_up", rows), self._prefill("ffn_down", rows)
        yield call(self._prefill("o_proj", rows), rows, x="a", out_rows="o", **_planes(f"{i}.o_proj"))
        yield from self._normed(gate_up, rows, i, "attention", **written("g"), **_gate_up(i))
        yield call(down, rows, **_read("g"), row_max="row_max", out_rows="f", **_planes(f"{i}.down"))

    def cache(self, kind: LayerKind) -> dict[str, Value]:
        """How the kernels for a kind of layer are found that take chunks and caches."""
        return {"capacity": self.capacity_of(kind), "chunk": self._scratch}

    def decode(self, rows: int) -> list[Call]:
        """One token of each of up to `rows` sequences (a batch bucket of the bundle); ends before the head."""
        calls = [self.embedding(rows)]
        for i, kind in enumerate(self.model.layer_kinds):
            cache: dict[str, Value] = {"capacity": self.capacity_of(kind), "writes": self.step_layout(rows)}
            attention = self.kernels.find("attn_decode", **cache)
            heads = {**self.heads(i, kind), **caches(i)}
            calls += [
                *self.before_step(rows, i),
                call(attention, rows, qkv="qkv", **heads, **written("a")),
                *self.after_step(rows, i),
            ]
        return linked(calls)

    def before_step(self, rows: int, i: int) -> Iterator[Call]:
        """A step's products before the attention of a layer."""
        yield from self._normed(self._product("qkv", rows), rows, i, "ffn", out_rows="qkv", **_planes(f"{i}.qkv"))

    def step_layout(self, rows: int) -> Value:
        """How attention of a step leaves its results."""
        return self._product("o_proj", rows).tags["reads"]

    def after_step(self, rows: int, i: int) -> Iterator[Call]:
        """The rest of a step's layer."""
        o_proj, gate_up = self._product("o_proj", rows), self._product("ffn_gate_up", rows)
        yield call(o_proj, rows, **_read("a"), out_rows="o", **_planes(f"{i}.o_proj"))
        yield from self._normed(gate_up, rows, i, "attention", **written("g"), **_gate_up(i))
        down = self._product("ffn_down", rows)
        yield call(down, rows, **_read("g"), row_max="row_max", out_rows="f", **_planes(f"{i}.down"))

    def finish(self, rows: int, how: Finish) -> list[Call]:
        """From the last layer to the next token of each row. With `rows` 1 also a prefill's end: its last live row."""
        last = self.model.layers
        head = self._product("head", rows)
        calls = list(self._normed(head, rows, last, "ffn", out_rows="logits", best="best", **_planes("embedding")))
        if how == "sampled":
            seen = self.kernels.find("seen", phase="decode")
            penalty, sample = self.kernels.find("penalty"), self.kernels.find("sample")
            calls += [
                call(seen, rows, tokens="tokens", seen="seen"),
                call(penalty, rows, logits="logits", seen="seen"),
                call(sample, rows, logits="logits", tokens="next"),
            ]
            return calls
        best = [binding for binding in head.bindings if binding.name == "best"]
        source = {"reads": "partials", "parts": best[0].shape[1]} if best else {"reads": "logits"}
        argmax = self.kernels.find("argmax", **source)
        calls.append(call(argmax, rows, logits="logits", partials="best", tokens="next"))
        return calls

    @property
    def _scratch(self) -> int:
        """Rows of the scratch between qkv and attention that a prefill chunk takes."""
        return min(
            chunk
            for entry in self.kernels.all("qk_rope")
            if isinstance(chunk := entry.tags["chunk"], int) and chunk >= self.chunk
        )

    def capacity_of(self, kind: LayerKind) -> int:
        """Entries of the GPU's cache in a layer of this kind."""
        return min(self.model.window, self.capacity) if kind == "local" else self.capacity

    def embedding(self, rows: int) -> Call:
        """Tokens to the residual stream."""
        return call(self.kernels.find("embedding"), rows, tokens="tokens", residual="x", **_planes("embedding"))

    def _prefill(self, family: str, rows: int) -> KernelEntry:
        """The form of a product for a chunk of `rows`: that of a batch as large, which is cut for few, where there is
        one.
        """
        batch, chunk = self._forms(phase="decode", rows=rows), self._forms(phase="prefill")
        return self.kernels.first(family, [wish for pair in zip(batch, chunk, strict=True) for wish in pair])

    def _product(self, family: str, rows: int) -> KernelEntry:
        """The form of a product for a bucket of rows."""
        if rows <= MATVEC_ROWS:
            size: dict[str, Value] = {"phase": "decode", "rows": rows}
            return self.kernels.first(family, [{**size, "form": "gemv"}, {**size, "form": "matvec"}])
        return self.kernels.first(family, self._forms(phase="decode", rows=rows))

    def _forms(self, **properties: Value) -> list[dict[str, Value]]:
        """The forms for many rows, the best first."""
        forms = () if self.exact else ("direct", "coopmat")
        return [*({**properties, "form": form, "math": "f16"} for form in forms), {**properties, "form": "tile"}]

    def _normed(
        self, product: KernelEntry, rows: int, i: int, branch: Literal["ffn", "attention"], **binds: str
    ) -> Iterator[Call]:
        """A product behind a stretch: its prologue where it has one, else a kernel before it."""
        reads, stretch = product.tags["reads"], self._stretch(i, branch)
        if reads == "stretch":
            yield call(product, rows, **stretch, **binds)
            return
        lanes = {} if str(reads).startswith("rows") else {"unit": product.params["unit"]}
        wishes: list[dict[str, Value]] = [
            {"writes": reads, "phase": phase, **lanes} for phase in (product.tags["phase"], "any")
        ]
        norm = self.kernels.first("norm", wishes)
        yield call(norm, rows, **stretch, **written("h"), row_max="row_max")
        yield call(product, rows, **_read("h"), row_max="row_max", **binds)

    def _stretch(self, i: int, branch: Literal["ffn", "attention"]) -> dict[str, str]:
        """The stretch before layer i's qkv (behind the branch "ffn" of the layer before) or before its FFN."""
        if branch == "attention":
            post, pre = f"{i}.post_attention_norm", f"{i}.pre_ffn_norm"
            return _norm("o", "y", "x", post, pre)
        pre = f"{i}.input_norm" if i < self.model.layers else "final_norm"
        if i == 0:
            return _norm("zero", "x", "y", "ones", pre)
        return _norm("f", "x", "y", f"{i - 1}.post_ffn_norm", pre)

    def heads(self, i: int, kind: LayerKind) -> dict[str, str]:
        """What turns a layer's projections into queries and keys."""
        return {"q_norm": f"{i}.q_norm", "k_norm": f"{i}.k_norm", "rope": f"rope.{kind}"}


def _norm(branch: str, residual: str, out: str, post: str, pre: str) -> dict[str, str]:
    weights = {"post_weight": post, "pre_weight": pre}
    return {"branch": branch, "residual": residual, "residual_out": out, **weights}


def written(name: str) -> dict[str, str]:
    """How any form writes activations; a kernel has the bindings of one layout."""
    whole = dict.fromkeys(("out_rows", "out_halves", "out_lanes", "out_words"), name)
    return {**whole, "out_scale": f"{name}.scale"}


def _read(name: str) -> dict[str, str]:
    return {"x": name, "x_scale": f"{name}.scale"}


def _planes(matrix: str, binding: str = "w") -> dict[str, str]:
    return {binding: f"{matrix}.w", f"{binding}_scale": f"{matrix}.scale"}


def caches(i: int) -> dict[str, str]:
    """A layer's caches."""
    return {"k_cache": f"{i}.k", "v_cache": f"{i}.v"}


def _gate_up(i: int) -> dict[str, str]:
    return {**_planes(f"{i}.gate"), **_planes(f"{i}.up", "w_up")}
