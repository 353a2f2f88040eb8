"""Which attention kernels a bundle has."""

from kernelc.attention import caches_and_chunks, capacities, chunks
from kernelc.buckets import Buckets
from kernelc.kernels import attn_decode, attn_prefill
from kernelc.target import TargetSpec
from kernelrt.model import ModelSpec

BIG, ODD = ModelSpec.load("gemma27b"), ModelSpec.load("tiny-odd")
PHOENIX, HOST = TargetSpec.load("phoenix"), TargetSpec.load("host")


def test_rings_stop_at_the_window() -> None:
    found = capacities(BIG, Buckets(seq=(512, 2048, 8192)))
    assert found == (512, 1024, 2048, 8192)


def test_scratch_is_whole_tiles() -> None:
    assert chunks(PHOENIX, Buckets(seq=(1, 100, 512, 8192))) == (64, 128, 512)


def test_a_chunk_goes_with_its_bucket() -> None:
    found = caches_and_chunks(ODD, HOST, Buckets(seq=(5, 100)))
    assert found == (("local", 5, 64), ("local", 7, 128), ("global", 5, 64), ("global", 100, 128))


def test_output_forms_follow_the_batches() -> None:
    def outs(model: ModelSpec, batch: tuple[int, ...], quant: str = "q4_0") -> set[object]:
        specs = attn_decode.kernels(model, PHOENIX, Buckets(seq=(64,), batch=batch, quant=quant))
        return {spec.param["out"] for spec in specs}

    assert outs(BIG, (1,)) == {"rows_f32"}
    assert outs(BIG, (1,), "f16") == {"lanes_f32"}
    assert outs(BIG, (32,)) == {"rows_f16"}
    assert outs(BIG, (8, 32)) == {"lanes_f32", "rows_f16"}
    assert outs(ODD, (1, 8)) == {"rows_f32", "lanes_f32"}


def test_cooperative_matrices_where_the_head_is_whole_tiles() -> None:
    def forms(model: ModelSpec, target: TargetSpec) -> list[object]:
        return [spec.param["form"] for spec in attn_prefill.kernels(model, target, Buckets(seq=(4,)))]

    assert forms(BIG, PHOENIX) == ["plain", "coopmat"] * 2
    assert forms(BIG, HOST) == ["plain"] * 2
    assert forms(ODD, PHOENIX) == ["plain"] * 2
