"""TargetSpec: the built-in machines against their facts, and what is said of a wrong file."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from kernelc.buckets import Buckets
from kernelc.plan import plan
from kernelc.target import TargetSpec
from kernelc.tune.result import Tuning, beside
from kernelrt.errors import InputError
from kernelrt.gpu.device import Device
from kernelrt.gpu.features import FEATURES
from kernelrt.model import ModelSpec

BUILT_IN = ("h200", "hawkpoint", "host", "phoenix")
TARGETS = Path(__file__).resolve().parents[1] / "kernelc" / "targets"


def test_all_built_in_targets_load() -> None:
    names = sorted(path.stem for path in TARGETS.glob("*.toml"))
    assert names == sorted(BUILT_IN)
    assert [TargetSpec.load(name).name for name in names] == names


def test_phoenix_is_the_radeon_780m() -> None:
    target = TargetSpec.load("phoenix")
    assert (target.subgroup, target.shared_memory, target.max_workgroup) == (32, 65536, 1024)
    assert (target.bandwidth_gbs, target.fp32_tflops, target.fp16_tflops) == (89.6, 8.9, 17.8)
    assert (target.offline_compiler, target.spill_limit) == ("radv:phoenix", 0)
    assert {"coopmat_f16", "integer_dot", "memory_model", "float16"} <= target.features
    assert "bfloat16" not in target.features


def test_hawkpoint_differs_from_phoenix_in_memory_alone() -> None:
    phoenix, hawkpoint = TargetSpec.load("phoenix").describe(), TargetSpec.load("hawkpoint").describe()
    assert {k for k in phoenix if phoenix[k] != hawkpoint[k]} <= {"name", "title", "bandwidth_gbs", "tune"}


def test_the_host_target_promises_no_more_than_lavapipe_has(device: Device) -> None:
    target, info = TargetSpec.load("host"), device.info
    assert target.features <= info.features
    assert info.min_subgroup <= target.subgroup <= info.max_subgroup
    assert target.shared_memory <= info.shared_memory
    assert target.max_workgroup <= info.max_workgroup
    assert target.max_storage_range <= info.max_storage_range


def test_tunings_that_come_with_targets_are_for_them() -> None:
    model = ModelSpec.load("gemma27b")
    files = sorted((TARGETS / "tuning").iterdir())
    assert [path.name for path in files] == ["h200-gemma27b-q8_0.json"]
    for path in files:
        target, tuning = TargetSpec.load(path.name.split("-")[0]), Tuning.read(path)
        buckets = Buckets((512,), quant=tuning.subject.quant, embedding=tuning.subject.embedding)
        assert beside(target.name, model, target, buckets) == path
        assert tuning.subject.level == "measured"
        applied = tuning.applied(path, model, target, buckets)
        assert applied.tune != target.tune
        assert plan(model, applied, buckets)


def test_description_is_plain_json_and_gives_the_spec_back() -> None:
    for name in BUILT_IN:
        target = TargetSpec.load(name)
        assert TargetSpec(**json.loads(json.dumps(target.describe()))) == target


def test_equal_targets_have_equal_hashes() -> None:
    assert hash(TargetSpec.load("phoenix")) == hash(TargetSpec.load("phoenix"))


def test_the_target_does_not_load_what_runs_compilers() -> None:
    code = "import sys, kernelc.target; sys.exit('subprocess' in sys.modules or 'ctypes' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def changed(folder: Path, old: str, new: str) -> Path:
    text = (TARGETS / "h200.toml").read_text()
    assert text.count(old) == 1
    path = folder / "mine.toml"
    path.write_text(text.replace(old, new))
    return path


@pytest.mark.parametrize(
    ("old", "new", "field", "said"),
    [
        ("\nshared_memory = 49152", "", "shared_memory", "missing"),
        ("\nshared_memory = 49152", "\nshared_memry = 49152", "shared_memry", "did you mean shared_memory"),
        ("\nshared_memory = 49152", "\nshared_memory = 0", "shared_memory", "at least 1"),
        ("\nmax_workgroup = 1024", "\nmax_workgroup = '1024'", "max_workgroup", "expected an integer, found a string"),
        ("\nsubgroup = 32", "\nsubgroup = 48", "subgroup", "power of two"),
        ("\nsubgroup = 32", "\nsubgroup = 64", "subgroup", "64 lies outside 32..32"),
        ("\nmin_subgroup = 32", "\nmin_subgroup = 64", "min_subgroup", "64 is above max_subgroup 32"),
        ("\nmax_storage_range = 4294967295", "\nmax_storage_range = 4294967296", "max_storage_range", "at most"),
        ("\nbandwidth_gbs = 4800.0", "\nbandwidth_gbs = -1", "bandwidth_gbs", "zero or more"),
        ("\nint8_tops = 1978.9", "\nint8_tops = inf", "int8_tops", "finite"),
        ('"coopmat_bf16"', '"coopmat_bf61"', "features", "did you mean coopmat_bf16"),
        ('"coopmat_bf16"', "16", "features", "expected a string, found an integer"),
        ("\n[tune]", "\n[tune]\nnorm_workgroup = 1.5", "tune.norm_workgroup", "expected an integer, found a number"),
        ("\n[tune]", '\noffline_compiler = "acme:x"\n[tune]', "offline_compiler", "radv:<family>"),
        ("\n[tune]", "\nspill_limit = 0\n[tune]", "spill_limit", "needs an offline_compiler"),
        ("\n[tune]", "\n[[tune]]", "tune", "expected a table"),
        ("\n[tune]", "\nrolled = 1\n[tune]", "rolled", "expected true or false, found 1"),
        ("\nchains = true", '\nchains = "yes"', "chains", "expected true or false, found"),
        ('"memory_model", ', "", "chains", "needs memory_model"),
        ("\n[tune]", "\n[tune]\nattn_workgroups = 16385", "tune.attn_workgroups", "at most 16384"),
        ("\n[tune]", '\noffline_compiler = "radv:nonsense"\n[tune]', "offline_compiler", "families: phoenix"),
        ("\n[tune]", '\noffline_compiler = "radv:phenix"\n[tune]', "offline_compiler", "did you mean phoenix?"),
        ('\nname = "h200"', '\nname = "a/b"', "name", "begin with a letter or digit"),
        ('\nname = "h200"', '\nname = "x.kcb"', "name", "not end in .kcb"),
        ("\nbandwidth_gbs = 4800.0", f"\nbandwidth_gbs = 1{'0' * 400}", "bandwidth_gbs", "finite"),
        ("\nmax_workgroup = 1024", f"\nmax_workgroup = 0x{'f' * 5000}", "max_workgroup", "at most 2147483647"),
        ("\nmax_workgroup = 1024", f"\nmax_workgroup = 1{'0' * 5000}", "max_workgroup", "too many digits (line"),
        ("\n[tune]", "\n'a\\nb\u0085c' = 1\n[tune]", r"'a\\nb\x85c'", "unknown key"),
        ("\n[tune]", "\n[tune]\nqkv_row = 1", "tune.qkv_row", "unknown key; did you mean qkv_rows"),
        ("\n[tune]", "\n[tune]\nhead_rows_b8 = 0", "tune.head_rows_b8", "at least 1"),
        ("\no_proj_workgroup = 512", "\no_proj_workgroup = 48", "tune.o_proj_workgroup", "multiple of 32"),
        ("\no_proj_workgroup = 512", "\no_proj_workgroup = 2048", "tune.o_proj_workgroup", "at most 1024"),
        ("\n[tune]", "\n[tune]\nqkv_coopmat_bm = 0", "tune.qkv_coopmat_bm", "at least 1"),
        ("\n[tune]", "\n[tune]\nqkv_coopmat_n = 24", "tune.qkv_coopmat_n", "multiple of 16"),
    ],
)
def test_a_wrong_target_is_refused_by_file_and_field(tmp_path: Path, old: str, new: str, field: str, said: str) -> None:
    path = changed(tmp_path, old, new)
    with pytest.raises(InputError) as error:
        TargetSpec.load(path)
    message = str(error.value)
    assert message.startswith(f"{path}: {field}: ")
    assert said in message
    assert "\n" not in message


def test_a_file_target_with_its_own_tuning_loads(tmp_path: Path) -> None:
    path = changed(tmp_path, "\n[tune]", "\n[tune]\nnorm_workgroup = 128")
    assert TargetSpec.load(path).tune["norm_workgroup"] == 128


def test_an_unknown_target_suggests_and_lists() -> None:
    with pytest.raises(InputError, match=r"unknown target 'phenix'; did you mean phoenix\?.*h200, hawkpoint, host"):
        TargetSpec.load("phenix")


def test_every_feature_that_a_target_names_is_in_the_vocabulary() -> None:
    for name in BUILT_IN:
        assert TargetSpec.load(name).features <= frozenset(FEATURES)
