"""The command as a user meets it: verbs, JSON, exit codes, one line for an error."""

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from kernelrt.bundle import load
from kernelrt.errors import Exit
from tests.fixtures.builds import tree
from tests.fixtures.cli import ROOT, SMALL, built, command, environment, kernelc, one_clear_error

KERNEL = "ffn_down.b1.q4_0"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a built bundle, its file, and the store."""
    path = tmp_path_factory.mktemp("cli")
    built(*SMALL, "--out", path / "out", "--bundle-file", path / "out.kcb", "--store", path / "store")
    return path


def told(*words: str | Path, **more: Any) -> Any:
    done = kernelc(*words, "--json", **more)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_build_says_what_it_did(place: Path) -> None:
    result = built(*SMALL, "--out", place / "again", "--store", place / "store")
    kernels = result["kernels"]
    assert result["bundle"] == str(place / "again")
    assert kernels["total"] == kernels["cached"] == len(load(place / "again").kernels)
    assert kernels["compiled"] == kernels["failed"] == 0
    assert result["failures"] == []
    assert result["seconds"] >= 0
    plain = kernelc("build", *SMALL, "--out", place / "again", "--store", place / "store")
    assert plain.stderr == ""
    assert "0 compiled" in plain.stdout
    assert len(plain.stdout.splitlines()) == 1


def test_build_in_a_pipe_tells_of_each_kernel_on_stderr(place: Path) -> None:
    words = ("build", *SMALL, "--only", "ffn_*", "--store", place / "another")
    done = kernelc(*words)
    assert done.returncode == 0, done.stderr
    names = [k["name"] for k in told("plan", *SMALL)["kernels"] if k["name"].startswith("ffn_")]
    assert sorted(line.split()[-1] for line in done.stderr.splitlines()[1:]) == sorted(names)
    assert "\x1b" not in done.stderr
    assert "no bundle written" in done.stdout


def test_build_writes_to_a_folder_named_after_model_and_target(tmp_path: Path, place: Path) -> None:
    done = built(*SMALL, cwd=tmp_path, KERNELC_STORE=str(place / "store"))
    assert done["bundle"] == "build/bundles/tiny-host"
    assert load(tmp_path / "build" / "bundles" / "tiny-host") == load(place / "out")


def test_jobs_and_folder_change_no_byte(tmp_path: Path, place: Path) -> None:
    built(*SMALL, "-j", "1", "--out", tmp_path / "one", "--store", tmp_path / "store")
    diff = subprocess.run(["diff", "-r", tmp_path / "one", place / "out"], capture_output=True, check=False)
    assert diff.returncode == 0, diff.stdout


def test_plan_lists_kernels_and_compiles_nothing(place: Path) -> None:
    plan = told("plan", *SMALL)
    assert [k["name"] for k in plan["kernels"]] == [k.name for k in load(place / "out").kernels]
    assert plan["buckets"] == {"seq": [512], "batch": [1], "quant": "q4_0", "embedding": "q4_0"}
    text = kernelc("plan", *SMALL).stdout.splitlines()
    assert text[0].split()[:2] == ["kernel", "rows"]
    assert len(text) == len(plan["kernels"]) + 2


def test_verify(place: Path) -> None:
    for bundle in (place / "out", place / "out.kcb"):
        done = kernelc("verify", bundle, "--model", "tiny", "--target", "host")
        assert done.returncode == 0, done.stderr
        assert "intact: tiny for host" in done.stdout
    assert told("verify", place / "out")["kernels"] == len(load(place / "out").kernels)


def test_verify_refuses(tmp_path: Path, place: Path) -> None:
    one_clear_error(kernelc("verify", place / "out", "--target", "phoenix"), Exit.BUNDLE, "phoenix")
    one_clear_error(kernelc("verify", tmp_path / "nowhere"), Exit.BUNDLE, "nothing")
    data = (place / "out.kcb").read_bytes()
    (tmp_path / "half.kcb").write_bytes(data[: len(data) // 2])
    one_clear_error(kernelc("verify", tmp_path / "half.kcb"), Exit.BUNDLE, "truncated")


def test_show(tmp_path: Path, place: Path) -> None:
    source = kernelc("show", KERNEL, "--emit", "glsl", *SMALL).stdout
    assert source.startswith("#version 460")
    assert kernelc("show", KERNEL, "--emit", "spirv", "-o", tmp_path / "k.spv", *SMALL).returncode == 0
    assert (tmp_path / "k.spv").read_bytes() == load(place / "out").read(load(place / "out").kernel(KERNEL))
    assembly = kernelc("show", KERNEL, "--emit", "asm", *SMALL).stdout
    assert "OpEntryPoint GLCompute" in assembly
    abi = told("show", KERNEL, "--emit", "abi", *SMALL)
    entry = load(place / "out").kernel(KERNEL)
    assert [b["name"] for b in abi["bindings"]] == [b.name for b in entry.bindings]
    text = kernelc("show", KERNEL, "--emit", "abi", *SMALL).stdout
    assert all(b.name in text for b in entry.bindings)


def test_show_gives_json_of_every_stage(place: Path) -> None:
    for emit in ("glsl", "asm"):
        found = told("show", KERNEL, "--emit", emit, *SMALL)
        assert (found["name"], found["emit"]) == (KERNEL, emit)
        assert found["text"] == kernelc("show", KERNEL, "--emit", emit, *SMALL).stdout
    module = told("show", KERNEL, "--emit", "spirv", *SMALL)["base64"]
    assert base64.b64decode(module) == load(place / "out").read(load(place / "out").kernel(KERNEL))
    phoenix = ("--model", "tiny", "--target", "phoenix", "--seq", "512", "--batch", "1")
    assert "s_endpgm" in told("show", KERNEL, "--emit", "isa", *phoenix)["text"]


def test_show_machine_code() -> None:
    phoenix = ("--model", "tiny", "--target", "phoenix", "--seq", "512", "--batch", "1")
    code = kernelc("show", KERNEL, "--emit", "isa", *phoenix).stdout
    assert code.startswith("; subgroup_size: ")
    assert "; vgprs: " in code
    assert "s_endpgm" in code
    one_clear_error(kernelc("show", KERNEL, "--emit", "isa", *SMALL), Exit.TOOL, "no offline compiler")


def test_show_into_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    one_clear_error(kernelc("show", KERNEL, *SMALL, "-o", tmp_path / "no" / "file"), Exit.STORE, "cannot be written")


def test_a_wrong_kernel_name_suggests_a_right_one(place: Path) -> None:
    for verb in ("show", "explain"):
        done = kernelc(verb, "ffn_dwon.b1.q4_0", *SMALL)
        one_clear_error(done, Exit.INPUT, f"did you mean {KERNEL}", "`kernelc plan --model tiny --target host")
    one_clear_error(kernelc("build", "--only", "nothing*", *SMALL), Exit.INPUT, "--only nothing*")


def test_explain(tmp_path: Path, place: Path) -> None:
    found = told("explain", KERNEL, *SMALL, "--store", place / "store")
    assert found["stored"]
    assert found["changed"] == {}
    assert found["key"] == found["previous"]
    assert {"format", "source", "tool glslang"} <= set(found["unchanged"])
    new = kernelc("explain", KERNEL, *SMALL, "--store", tmp_path / "new")
    assert "never built" in new.stdout


def test_cache(tmp_path: Path) -> None:
    words = ("--store", tmp_path / "store")
    total = built(*SMALL, "--out", tmp_path / "out", *words)["kernels"]["compiled"]
    assert told("cache", "stats", *words)["entries"] == total
    assert told("cache", "verify", *words)["damaged"] == {}
    next((tmp_path / "store").glob("entries/*/*/meta.json")).write_bytes(b"{}")
    damaged = kernelc("cache", "verify", *words)
    one_clear_error(damaged, Exit.STORE, "meta.json was altered", "quarantine")
    assert f"{total} entries, 1 damaged" in damaged.stdout
    assert told("cache", "gc", *words)["removed"] == 0
    assert told("cache", "gc", "--days", "0", *words)["removed"] == total - 1
    assert told("cache", "stats", *words) == {
        "store": str(tmp_path / "store"),
        "entries": 0,
        "bytes": 0,
        "quarantined": 0,
        "temporary": 0,
        "strays": [],
    }
    found = kernelc("explain", KERNEL, *SMALL, *words).stdout
    assert "its entry is no longer in the store (`kernelc cache gc` removed it" in found


def test_what_only_reads_makes_no_store(tmp_path: Path) -> None:
    words = ("--store", tmp_path / "none")
    for verb in (["cache", "stats"], ["cache", "verify"], ["cache", "gc"], ["explain", KERNEL, *SMALL]):
        done = kernelc(*verb, *words)
        assert done.returncode == 0, done.stderr
    assert "empty" in kernelc("cache", "stats", *words).stdout
    assert told("cache", "stats", *words)["entries"] == 0
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_the_user_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    (tmp_path / "tmp" / "mine").write_text("mine")
    for verb in (["build", *SMALL], ["cache", "stats"], ["cache", "gc", "--days", "0"], ["explain", KERNEL, *SMALL]):
        one_clear_error(kernelc(*verb, "--store", tmp_path), Exit.STORE, "not a store of kernelc", "--store")
    assert tree(tmp_path) == {"tmp/mine": b"mine"}


def test_estimate_and_version_and_doctor() -> None:
    (estimate,) = told("estimate", "--model", "gemma27b", "--target", "phoenix", "--seq", "512", "--batch", "1")
    assert estimate["level"] == "modelled"
    assert "tok/s" in kernelc("estimate", "--seq", "512", "--batch", "1").stdout
    assert told("version")["abi"] == 3
    assert {finding["name"] for finding in told("doctor")} >= {"SPIRV-Tools", "Vulkan loader"}


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["build", "--model", "gemma28b"], Exit.INPUT),
        (["build", "--target", "phoneix"], Exit.INPUT),
        (["build", "--quant", "q3"], Exit.INPUT),
        (["build", "--quant", "q6_k"], Exit.INPUT),
        (["plan", "--embedding-quant", "q5_k"], Exit.INPUT),
        (["estimate", "--embedding-quant", ""], Exit.INPUT),
        (["show", KERNEL, "--model", "gemma1b", "--embedding-quant", "q6_k"], Exit.INPUT),
        (["build", "--seq", "many"], Exit.INPUT),
        (["build", "--batch", "1,1"], Exit.INPUT),
        (["build", "--bundle-file", "x.zip"], Exit.INPUT),
        (["build", "--out", "x.kcb"], Exit.INPUT),
        (["plan", "--model", "/nowhere/config.json"], Exit.INPUT),
        (["estimate", "--seq", ""], Exit.INPUT),
        (["cache", "gc", "--days", "nan"], Exit.INPUT),
        (["cache", "gc", "--days", "-1"], Exit.INPUT),
    ],
)
def test_a_wrong_argument_is_one_line(words: list[str], code: Exit) -> None:
    one_clear_error(kernelc(*words), code)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["bulid"], "No such command 'bulid'"),
        (["build", "-j", "0"], "0 is less than 1; `kernelc build --help`"),
        (["build", "-j", "x"], "'x' is not a whole number"),
        (["show"], "Missing argument 'KERNEL'"),
        (["verify"], "Missing argument 'BUNDLE'"),
        (["build", "--what"], "No such option"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_exit_code_2(words: list[str], said: str) -> None:
    done = kernelc(*words)
    one_clear_error(done, Exit.INPUT, said)
    assert len(done.stderr.splitlines()) == 1


def test_no_word_at_all_gives_the_help() -> None:
    done = kernelc()
    assert done.returncode == Exit.INPUT
    assert done.stderr.startswith("Usage: kernelc ")


def test_help_lists_every_verb() -> None:
    text = kernelc("--help").stdout
    for verb in ("build", "plan", "verify", "show", "explain", "cache", "doctor", "estimate", "version"):
        assert f"\n  {verb} " in text


def test_nothing_heavy_is_imported_before_it_is_needed() -> None:
    program = (
        "import sys, kernelc.app; print(sorted({'jinja2', 'rich', 'vulkan', 'numpy', 'ctypes'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [command()[0], "-c", program], cwd=ROOT, env=environment(), capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
