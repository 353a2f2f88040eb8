"""The plan: what every bundle must have so that its kernels can follow one another."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import pytest

from kernelc.buckets import Buckets
from kernelc.commands.estimate import estimate
from kernelc.commands.inputs import inputs
from kernelc.kernel import KernelSpec
from kernelc.plan import plan
from kernelc.target import TUNE_KEYS, TargetSpec
from kernelrt.errors import InputError
from kernelrt.model import ModelSpec

MODELS = ("gemma27b", "gemma12b", "gemma4b", "gemma1b", "tiny", "tiny-odd")
TARGETS = ("phoenix", "hawkpoint", "h200", "host")
# What no kernel writes: the residual stream begins with the embedding.
GIVEN = {"stretch"}


# The formats that public files have, the layers' and the embedding's.
FORMATS = (("q4_0", "q4_0"), ("q8_0", "q8_0"), ("f16", "f16"), ("q4_0", "q6_k"), ("q4_0", "f16"), ("f16", "q8_0"))


def specs(
    model: str, target: str, quant: str = "q4_0", embedding: str = "", **buckets: tuple[int, ...]
) -> tuple[KernelSpec, ...]:
    return plan(ModelSpec.load(model), TargetSpec.load(target), Buckets(quant=quant, embedding=embedding, **buckets))


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(("quant", "embedding"), FORMATS)
def test_what_a_kernel_reads_another_writes(model: str, target: str, quant: str, embedding: str) -> None:
    if embedding == "q6_k" and ModelSpec.load(model).hidden % 256:
        with pytest.raises(InputError, match=rf"--embedding-quant q6_k: the rows of {model} .* q8_0"):
            specs(model, target, quant, embedding)
        return
    found = specs(model, target, quant, embedding)
    tags = [dict(spec.tags) for spec in found]
    written = {tag["writes"] for tag in tags if "writes" in tag}
    assert {tag["reads"] for tag in tags if "reads" in tag} <= written | GIVEN
    # Lanes as the reader's weights cut them: a norm for each unit.
    lanes = [(spec, tag) for spec, tag in zip(found, tags, strict=True) if str(tag.get("reads")).startswith("lanes")]
    wanted = {
        (tag["reads"], spec.param["unit"]) for spec, tag in lanes if spec.family in ("qkv", "ffn_gate_up", "head")
    }
    assert wanted == {(tag["writes"], tag["unit"]) for tag in tags if "unit" in tag}


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(("quant", "embedding"), FORMATS)
def test_family_and_tags_name_a_kernel(model: str, target: str, quant: str, embedding: str) -> None:
    if embedding == "q6_k" and ModelSpec.load(model).hidden % 256:
        return  # there is no such plan: see above
    keys = [(spec.family, spec.tags) for spec in specs(model, target, quant, embedding)]
    partials = [
        key for key in keys if key[0] == "argmax" and ("reads", "partials") in key[1]
    ]  # one a head's part count
    rest = [key for key in keys if key not in partials]
    assert len(set(rest)) == len(rest)


@pytest.mark.parametrize("batch", [(1,), (3,), (9,), (1, 5, 8, 31, 32)])
def test_each_batch_has_its_products(batch: tuple[int, ...]) -> None:
    found = specs("gemma27b", "phoenix", batch=batch)
    for family in ("qkv", "o_proj", "ffn_gate_up", "ffn_down", "head"):
        rows = {dict(s.tags)["rows"] for s in found if s.family == family and ("phase", "decode") in s.tags}
        assert rows == (set(batch) | {1} if family == "head" else set(batch))


def test_a_prompts_end_has_its_kernels_whatever_the_batches() -> None:
    """The last row's logits, its best token from the partials, and sampling with its penalty."""
    for quant in ("q4_0", "f16"):
        found = {spec.name: spec for spec in specs("gemma27b", "phoenix", quant, batch=(32,))}
        head = found[f"head.b1.{quant}"]
        assert dict(head.tags)["reads"] == "stretch"
        assert {f"argmax.p{head.bindings[-1].shape[1]}", "argmax.logits", "penalty", "sample", "topk.k64"} < set(found)
        assert {"seen.decode", "seen.prefill", "bandwidth"} < set(found)


def test_kernels_keep_the_name_of_the_format_that_they_read() -> None:
    names = {spec.name for spec in specs("gemma27b", "phoenix", "q4_0", "q6_k")}
    heads = {"embedding.q6_k", "head.b1.q6_k", "head.b8.q6_k", "head.b32.q6_k.tile", "head.b32.q6_k.coopmat"}
    norms = {"norm.lanes_f32.q4_0", "norm.lanes_f32.q6_k"}
    assert {"qkv.b1.q4_0", "repack.q4_0", "repack.q6_k", *heads, *norms} < names
    assert not {name for name in names if name.startswith(("head", "embedding")) and "q4_0" in name}
    assert not {name for name in names if name.startswith(("qkv", "o_proj", "ffn")) and "q6_k" in name}


def test_the_order_is_stable_and_names_are_unique() -> None:
    first, second = specs("gemma27b", "phoenix"), specs("gemma27b", "phoenix")
    assert first == second
    assert len({spec.name for spec in first}) == len(first)


def test_a_local_layer_needs_no_more_than_its_window() -> None:
    capacities = {
        dict(s.tags)["capacity"] for s in specs("gemma27b", "phoenix", seq=(512, 4096)) if s.family == "attn_decode"
    }
    assert capacities == {512, 1024, 4096}


def test_more_positions_than_the_model_knows() -> None:
    with pytest.raises(InputError, match=r"--seq: 65536 .* 32768 positions of gemma1b"):
        specs("gemma1b", "host", seq=(512, 65536))


def test_a_target_without_a_needed_feature() -> None:
    host = TargetSpec.load("host")
    bare = replace(host, features=host.features - {"subgroup"})
    with pytest.raises(InputError, match=r"target host: .* needs subgroup"):
        plan(ModelSpec.load("tiny"), bare, Buckets())


def test_a_target_of_small_workgroups() -> None:
    small = replace(TargetSpec.load("host"), max_workgroup=32)
    with pytest.raises(InputError, match=r"above max_workgroup 32"):
        plan(ModelSpec.load("tiny"), small, Buckets())


def test_a_target_of_small_subgroups() -> None:
    for sizes in ({"subgroup": 4, "min_subgroup": 4, "max_subgroup": 4}, {"subgroup": 0, "min_subgroup": 4}):
        small = replace(TargetSpec.load("host"), **sizes)
        with pytest.raises(InputError, match=r"target host: has subgroups of 4; \S+ needs 8 lanes at the least"):
            plan(ModelSpec.load("tiny"), small, Buckets())


def test_work_counts_every_weight_once() -> None:
    """27B in Q4_0, one token: 18 bytes a block of 32 over 27.01 billion parameters, 54 GFLOP."""
    model = ModelSpec.load("gemma27b")
    found = {s.name: s.work for s in specs("gemma27b", "phoenix")}
    layer = [found[f"{family}.b1.q4_0"] for family in ("qkv", "o_proj", "ffn_gate_up", "ffn_down")]
    head = found["head.b1.q4_0"]
    flops = model.layers * sum(work.flops for work in layer) + head.flops
    assert flops == pytest.approx(54.0e9, rel=2e-3)
    read = model.layers * sum(work.bytes_read for work in layer) + head.bytes_read
    assert read == pytest.approx(15.2e9, rel=5e-3)


class Asked(Mapping[str, int]):
    """An empty [tune] table that remembers which keys are looked for."""

    def __init__(self) -> None:
        self.keys_asked: set[str] = set()

    def __getitem__(self, key: str) -> int:
        self.keys_asked.add(key)
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def test_the_known_tune_keys_are_those_that_the_plan_reads() -> None:
    target, asked = replace(TargetSpec.load("h200"), tune={}), Asked()
    object.__setattr__(target, "tune", asked)
    plan(ModelSpec.load("gemma27b"), target, Buckets())
    assert asked.keys_asked == set(TUNE_KEYS)


@pytest.mark.parametrize(
    ("tune", "said"),
    [
        ({"qkv_coopmat_m": 48}, "tune.qkv_coopmat_m: 48 does not divide qkv_coopmat_bm, 64"),
        ({"head_coopmat_bn_short": 16}, "tune.head_coopmat_n_short: 32 does not divide"),
        (
            {"o_proj_coopmat_bm": 512, "o_proj_coopmat_m": 16, "o_proj_coopmat_n": 16},
            "tune.o_proj_coopmat_bm: 512 x 128 .* above max_workgroup 1024",
        ),
    ],
)
def test_an_impossible_cut_names_its_key(tune: dict[str, int], said: str) -> None:
    target = replace(TargetSpec.load("h200"), tune=tune)
    with pytest.raises(InputError, match=f"target h200: {said}"):
        plan(ModelSpec.load("gemma27b"), target, Buckets())


def test_cooperative_matrices_need_a_stated_subgroup() -> None:
    target = replace(TargetSpec.load("h200"), subgroup=0)
    with pytest.raises(InputError, match="target h200: subgroup: 0 is below 16"):
        plan(ModelSpec.load("tiny"), target, Buckets())


def test_every_tune_key_at_its_least_makes_a_plan() -> None:
    base = TargetSpec.load("h200")
    tune = {key: 32 if multiple == 8 else multiple for key, (_, multiple) in TUNE_KEYS.items()}
    assert plan(ModelSpec.load("tiny-odd"), replace(base, tune=tune), Buckets())


@pytest.mark.parametrize("batch", ["1"])
@pytest.mark.parametrize(
    ("seq", "said"),
    [
        ("\u0663", "numbers with commas"),
        ("1_0", "numbers with commas"),
        ("+8", "numbers with commas"),
        ("8, 16", "numbers with commas"),
        ("", "numbers with commas"),
        ("9" * 5000, "numbers with commas"),
        ("0", "outside 1..131072"),
        ("131073", "outside 1..131072"),
        ("16,8", "must rise"),
    ],
)
def test_estimate_and_build_refuse_the_same_sizes(seq: str, batch: str, said: str) -> None:
    with pytest.raises(InputError, match=f"--seq: .*{said}"):
        inputs("gemma1b", "phoenix", "q4_0", seq, batch)
    with pytest.raises(InputError, match=f"--seq: .*{said}"):
        estimate("gemma1b", "phoenix", "q4_0", seq, batch)
    with pytest.raises(InputError, match=r"--batch: 33 is outside 1\.\.32"):
        estimate("gemma1b", "phoenix", "q4_0", "512", "33")
