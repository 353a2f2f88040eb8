"""Tiny Gemma 3 models that between them have every shape that the kernels tell apart.

Each trait of the published models is at both ends of its range somewhere: heads of 16 to 256, groups of 1 to 8 query
heads, windows that a prompt leaves several times, widths that no block of 32 divides, RoPE scaled and not, a softmax
scale of its own, and a residual stream beyond fp16's greatest number.
"""

from dataclasses import dataclass

import numpy as np

from kernelrt.model import ModelSpec

DECODED = 64  # greedy steps after the prompt


@dataclass(frozen=True, slots=True)
class Config:
    """A model with the seed of its weights and the length of its prompt in tokens.

    `branch` is the mean of w in the norms after attention and FFN. Near 0, as transformers initialises it, the residual
    stream stays the token's own embedding and a tied head mostly answers each token with itself; at 8 the branches win
    and greedy text varies; at thousands the stream leaves fp16's range.
    """

    model: ModelSpec
    seed: int
    prompt: int
    branch: float = 8.0

    @property
    def name(self) -> str:
        return self.model.name

    @property
    def length(self) -> int:
        """Tokens of prompt and decoded steps together."""
        return self.prompt + DECODED

    def tokens(self, count: int | None = None, stream: int = 0) -> list[int]:
        """BOS and random ids: the prompt, or `count` of them; `stream` gives others."""
        raw = np.random.Philox(key=[self.seed, stream]).random_raw(count or self.prompt)
        return [self.model.bos_id, *(int(r) for r in raw[1:] % np.uint64(self.model.vocab))]


def _model(
    name: str,
    hidden: int,
    layers: int,
    heads: int,
    kv_heads: int,
    head_dim: int,
    ffn: int,
    vocab: int,
    window: int,
    global_every: int,
    rope_scale: float,
    query_scale_dim: float,
) -> ModelSpec:
    return ModelSpec(
        name=name,
        hidden=hidden,
        layers=layers,
        heads=heads,
        kv_heads=kv_heads,
        head_dim=head_dim,
        ffn=ffn,
        vocab=vocab,
        window=window,
        global_every=global_every,
        rope_theta_local=10_000.0,
        rope_theta_global=1_000_000.0,
        rope_scale_global=rope_scale,
        query_scale_dim=query_scale_dim,
        norm_eps=1e-6,
        activation="gelu_tanh",
        max_positions=131072,
        eos_ids=(1, 106),
        bos_id=2,
    )


# transformers wants a hidden size that the query heads divide. Those named "gguf" have whole blocks of 32 in every row,
# which a GGUF file of Q4_0 or Q8_0 needs; its Q6_K embedding needs 256.
CONFIGS = (
    #              name        hidden layers heads kv dim ffn vocab win every rope qscale
    Config(_model("d16-mha", 64, 2, 4, 4, 16, 104, 301, 8, 2, 8.0, 24), 1, 22),
    Config(_model("d16-mqa8", 88, 4, 8, 1, 16, 72, 331, 64, 2, 8.0, 12), 2, 170),
    Config(_model("d24-pairs", 72, 3, 6, 3, 24, 264, 300, 16, 3, 1.0, 20), 3, 45, branch=0.0),
    Config(_model("d24-fours", 200, 7, 8, 2, 24, 408, 450, 8, 6, 1.0, 24), 4, 23),
    Config(_model("d32-gguf", 128, 4, 4, 1, 32, 160, 512, 32, 2, 8.0, 32), 5, 85),
    Config(_model("d32-wide", 264, 5, 6, 6, 32, 104, 777, 8, 3, 8.0, 24), 6, 21),
    Config(_model("d32-local", 80, 2, 2, 1, 32, 88, 350, 64, 6, 1.0, 32), 7, 150, branch=0.0),
    Config(_model("d64-mqa8", 96, 2, 8, 1, 64, 136, 997, 16, 2, 1.0, 64), 8, 39, branch=0.0),
    Config(_model("d64-large", 384, 6, 6, 3, 64, 600, 1000, 32, 6, 8.0, 64), 9, 80, branch=5000.0),
    Config(_model("d128-27b", 168, 3, 4, 2, 128, 328, 640, 64, 3, 8.0, 168), 10, 140, branch=0.0),
    Config(_model("d128-gguf", 256, 3, 2, 2, 128, 288, 310, 16, 3, 1.0, 100), 11, 40),
    Config(_model("d128-mqa4", 104, 2, 4, 1, 128, 168, 999, 32, 2, 8.0, 128), 12, 70),
    Config(_model("d256-mqa2", 192, 7, 2, 1, 256, 264, 400, 16, 6, 1.0, 256), 13, 50),
    Config(_model("d256-mha", 320, 6, 2, 2, 256, 520, 513, 16, 6, 8.0, 256), 14, 35),
)


def config(name: str) -> Config:
    """The one of that name (KeyError)."""
    return {found.name: found for found in CONFIGS}[name]
