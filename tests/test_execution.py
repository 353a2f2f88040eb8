"""The model of kernels on a Radeon that is not there, and the loop that it finds in their machine code."""

import pytest

from kernelc.buckets import Buckets
from kernelc.execution import Chip
from kernelc.roofline import estimate
from kernelc.step_model import step_model
from kernelc.target import TUNE_KEYS, TargetSpec
from kernelc.toolchain.identity import Memo
from kernelc.toolchain.loop import Counts, split
from kernelc.toolset import choose
from kernelc.tune.space import Space, ladder
from kernelrt.errors import InputError
from kernelrt.model import ModelSpec

CODE = """
BB0:
	s_load_b128 s[8:11], s[2:3], null                           ; f4080201
	v_mov_b32_e32 v1, 0                                         ; 7e020280
	buffer_load_b128 v[4:7], v1, s[8:11], 0 offen               ; e05c0000
BB1:
	buffer_load_b32 v9, v1, s[8:11], 0 offen                    ; e0500000
	s_cbranch_scc1 BB1                                          ; bfa2fffe
BB2:
	s_cbranch_scc1 BB4                                          ; bfa20009
BB3:
	buffer_load_b128 v[4:7], v1, s[8:11], 0 offen               ; e05c0000
	buffer_load_u16 v8, v1, s[8:11], 0 offen                    ; e0480000
	ds_load_b128 v[10:13], v2                                   ; dbfc0000
	ds_load_2addr_b32 v[14:15], v2 offset1:1                    ; d8dc0100
	v_dot4_i32_iu8 v3, v4, v10, 0 neg_lo:[1,1,0]                ; cc164008
	v_dual_fmac_f32 v1, v2, v3 :: v_dual_mov_b32 v5, v6         ; c8000000
	v_rcp_f32_e32 v3, v3                                        ; 7e065503
	s_branch BB2                                                ; bfa0fff4
BB4:
	v_add_f32_e32 v1, v1, v3                                    ; 06020701
"""


def test_the_loop_is_the_one_that_loads_the_most() -> None:
    found = split(CODE)
    assert found.loop == Counts(valu=1 + 1 + 4, loaded=16 + 2, lds=16 + 8)
    assert found.rest == Counts(valu=2, loaded=16 + 4, lds=0)
    assert split("BB0:\n\tv_mov_b32_e32 v1, 0\n").loop == Counts()


def test_the_chip_follows_from_the_peak() -> None:
    chip = Chip.of(TargetSpec.load("phoenix"))
    assert chip.clock / 1e9 == pytest.approx(2.9, abs=0.01)  # the data sheet's
    assert [chip.waves(groups, 8) for groups in (1, 6, 7, 12, 13)] == [2, 2, 4, 4, 6]
    with pytest.raises(InputError, match="target host"):
        Chip.of(TargetSpec.load("host"))


def test_a_modelled_step_stays_below_the_bus() -> None:
    model, target = ModelSpec.load("gemma27b"), TargetSpec.load("phoenix")
    step = step_model(model, target, "q4_0", "q4_0", 2048, choose(target, Memo()))
    bounds = estimate(model, target, "q4_0", 2048, 1)
    assert 1 / step.seconds <= bounds.best("decode").tokens_per_s
    counts = {part.kernel.split(".")[0]: 0 for part in step.parts}
    for part in step.parts:
        counts[part.kernel.split(".")[0]] += part.count
        run = part.execution
        assert run.seconds >= max(run.bus, run.issue, run.wait) > 0
    assert counts == {"attn_decode": 62, "qkv": 62, "o_proj": 62, "ffn_gate_up": 62, "ffn_down": 62, "head": 1}
    # All bytes but the small kernels': the sum of the bus times is the ceiling's memory time.
    bus = sum(part.count * part.execution.bus for part in step.parts)
    assert bus == pytest.approx(bounds.decode[0].memory_s, rel=0.005)
    assert any("modelled, nothing was run" in line for line in step.lines(5.0))


def test_sizes_that_shape_the_same_kernels_are_searched_together() -> None:
    space = Space(ModelSpec.load("tiny"), TargetSpec.load("h200"), Buckets((64,), (1, 8)))
    groups = {group.name: group for group in space.groups()}
    assert set(groups["qkv.b1.q4_0"].keys) == {
        f"qkv_{key}" for key in ("workgroup", "rows", "rows_per_workgroup", "depth")
    }
    assert "o_proj_coopmat_bm" in groups["o_proj.prefill.q4_0.coopmat"].keys
    assert "prefill_rows" not in {key for group in groups.values() for key in group.keys}
    kernels = [spec.name for group in groups.values() for spec in group.kernels]
    assert len(kernels) == len(set(kernels))


def test_every_value_of_a_ladder_is_one_that_the_target_takes() -> None:
    target = TargetSpec.load("h200")
    for key, (most, multiple) in TUNE_KEYS.items():
        for around in (0, 64):
            values = list(ladder(target, key, around))
            assert values == sorted(set(values))
            assert values
            assert all(0 < value <= most and value % multiple == 0 for value in values)
            assert all(value % 32 == 0 for value in values if key.endswith("workgroup") and multiple > 1)
