"""`kernelrt` as a user meets it, as far as no model runs: verbs, JSON, exit codes, one line for an error."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from kernelrt.app import app
from kernelrt.errors import Exit
from kernelrt.gpu.device import devices
from tests.cli.process import NO_DRIVER, kernelrt, process, told
from tests.fixtures.cli import ROOT, environment, one_clear_error

VERBS = ("run", "bench", "devices", "doctor", "plan-memory", "make-weights", "simulate", "version")


def test_help_lists_every_verb() -> None:
    text = kernelrt("--help").stdout
    for verb in VERBS:
        assert f"\n  {verb} " in text
    assert "..." not in text.split("Commands:")[1], "a summary is too long for its line"


def test_no_word_at_all_gives_the_help() -> None:
    done = process()
    assert (done.returncode, done.stderr[:16]) == (Exit.INPUT, "Usage: kernelrt ")


def test_every_verb_takes_json() -> None:
    def verbs(command: Any) -> Iterator[tuple[str, set[str]]]:
        for name, inner in command.commands.items():
            yield name, {option for parameter in inner.params for option in parameter.opts}

    found = dict(verbs(typer.main.get_command(app)))
    assert set(found) == set(VERBS)
    assert {name for name, options in found.items() if "--json" not in options} == set()


@pytest.mark.parametrize("module", ["kernelrt.app", *(f"kernelrt.commands.{v.replace('-', '_')}" for v in VERBS)])
def test_nothing_heavy_is_imported_before_it_is_needed(module: str) -> None:
    heavy = {"numpy", "rich", "vulkan", "tokenizers", "matplotlib"}
    program = f"import sys, {module}; print(sorted({heavy!r} & set(sys.modules)))"
    words = [sys.executable, "-c", program]
    done = subprocess.run(words, cwd=ROOT, env=environment(), capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_version() -> None:
    assert set(told("version")) == {"kernelrt", "schema", "abi"}
    assert process("version").stdout.startswith("kernelrt ")


def test_devices_are_listed_with_their_memory() -> None:
    found = told("devices")
    assert [device["name"] for device in found] == [info.name for info in devices()]
    (cpu,) = (device for device in found if device["type"] == "cpu")
    assert cpu["can_run"]
    assert cpu["max_storage_range"] > 0
    assert "subgroup" in cpu["features"]
    assert all(0 < heap["free"] <= heap["nbytes"] for heap in cpu["heaps"])
    text = kernelrt("devices").stdout
    assert cpu["name"] in text
    assert cpu["driver"] in text
    assert "heap 0" in text


def test_doctor() -> None:
    found = {finding["name"]: finding for finding in told("doctor")}
    for name in ("numpy", "rich", "tokenizers", "typer", "vulkan"):
        assert found[f"Python package {name}"]["found"]
        assert found[f"Python package {name}"]["version"]
    assert found["Vulkan loader"]["found"]
    assert found["device 0"]["features"]
    assert "heap 0" in found["device 0"]["note"]
    assert "maxStorageBufferRange" in found["device 0"]["note"]
    for name in ("NPU driver (amdxdna)", "XRT (pyxrt)", "NPU", "NPU simulator (kernelrt[sim])"):
        assert found[name]["found"] or (found[name]["cost"] and found[name]["install"])
    assert "found    NPU simulator (kernelrt[sim])" in kernelrt("doctor").stdout


def test_doctor_says_what_is_missing() -> None:
    done = process("doctor", **NO_DRIVER)
    assert (done.returncode, done.stderr) == (Exit.TOOL, "")
    assert "missing  Vulkan device" in done.stdout
    assert "nothing can be run" in done.stdout
    done = process("doctor", after="sys.modules['tokenizers'] = None; sys.modules['matplotlib'] = None")
    assert (done.returncode, done.stderr) == (Exit.TOOL, "")
    assert "missing  Python package tokenizers" in done.stdout
    assert "missing  Python package matplotlib" in done.stdout
    assert "pip install 'kernelrt[plot]'" in done.stdout


def test_no_vulkan_device_is_said() -> None:
    for verb in (["devices"], ["devices", "--json"]):
        one_clear_error(process(*verb, **NO_DRIVER), Exit.TOOL, "no Vulkan driver: install")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run"], "Missing option '--bundle'"),
        (["bench"], "Missing option '--bundle'"),
        (["plan-memory"], "Missing option '--bundle'"),
        (["make-weights"], "Missing option"),
        (["fly"], "No such command 'fly'"),
        (["run", "--bundle", "b", "--max-tokens", "0"], "0 is less than 1"),
        (["run", "--bundle", "b", "--max-tokens", "x"], "'x' is not a whole number"),
        (["run", "--bundle", "b", "--context", "0"], "0 is less than 1"),
        (["run", "--bundle", "b", "--temperature", "hot"], "is not a valid float"),
        (["run", "--bundle", "b", "--what"], "No such option"),
        (["bench", "--bundle", "b", "--iterations", "0"], "0 is less than 1"),
        (["bench", "--bundle", "b", "--batch", "-1"], "-1 is less than 1"),
        (["plan-memory", "--bundle", "b", "--batch", "0"], "0 is less than 1"),
        (["run", "--bundle", "b", "--weights-cache", "maybe"], "'maybe' is not one of"),
        (["run", "--bundle", "b", "--random-weights"], "no prompt; give one of --prompt"),
        (["run", "--bundle", "b", "--prompt", "x", "--tokens", "1"], "--prompt and --tokens exclude each other"),
        (["run", "--bundle", "b", "--prompt", ""], "--prompt: is empty"),
        (["run", "--bundle", "b", "--tokens", ""], "--tokens: is empty"),
        (["run", "--bundle", "b", "--prompt-file", ""], "--prompt-file: is empty"),
        (["run", "--bundle", "b", "--tokens", "1", "--chat"], "--chat: needs a text"),
        (["run", "--bundle", "b", "--tokens", "1", "--system", "x"], "--system: needs a text"),
        (["run", "--bundle", "b", "--prompt", "x", "--system", "x", "--no-chat"], "--system: belongs to a chat"),
        (["run", "--bundle", "b", "--tokens", "1"], "--weights and --random-weights: neither is given"),
        (["run", "--bundle", "b", "--tokens", "1", "--weights", ""], "--weights: the name is empty"),
        (["bench", "--bundle", "b"], "--weights and --random-weights: neither is given"),
        (["bench", "--bundle", "b", "--weights", "w", "--random-weights"], "exclude each other"),
        (["run", "--bundle", "", "--tokens", "1", "--random-weights"], "--bundle: the name is empty"),
        (["run", "--bundle", "b", "--tokens", "1", "--random-weights", "--temperature", "-1"], "--temperature"),
        (["run", "--bundle", "b", "--tokens", "1", "--random-weights", "--top-p", "2"], "--top-p"),
        (["run", "--bundle", "b", "--tokens", "1", "--random-weights", "--seed", "-1"], "--seed"),
        (["run", "--bundle", "b", "--tokens", "1", "--random-weights", "--dump-logits", ""], "--dump-logits: the name"),
        (["bench", "--bundle", "b", "--random-weights", "--plot", ""], "--plot: the name is empty"),
        (["bench", "--bundle", "b", "--random-weights", "--plot", "p.svg"], "--plot p.svg: the picture is a PNG"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_exit_code_2(words: list[str], said: str) -> None:
    done = kernelrt(*words)
    one_clear_error(done, Exit.INPUT, said)
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("verb", [["plan-memory"], ["run", "--tokens", "1", "--random-weights"]])
def test_a_bundle_that_is_nowhere_is_said_with_the_places(tmp_path: Path, verb: list[str]) -> None:
    (tmp_path / "build" / "bundles" / "other-host").mkdir(parents=True)
    done = process(*verb, "--bundle", "tiny", cwd=tmp_path)
    one_clear_error(done, Exit.BUNDLE, "no bundle at tiny, build/bundles/tiny, ", "there are other-host")
    one_clear_error(process(*verb, "--bundle", "./tiny", cwd=tmp_path), Exit.BUNDLE, "no bundle at tiny;")
    one_clear_error(kernelrt(*verb, "--bundle", tmp_path), Exit.BUNDLE, "manifest.json")
