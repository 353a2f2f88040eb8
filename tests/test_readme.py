"""What the README promises is what the program has."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from kernelc.app import app as kernelc
from kernelc.buckets import Buckets
from kernelc.roofline import estimate
from kernelc.target import TargetSpec
from kernelrt import bundle
from kernelrt.app import app as kernelrt
from kernelrt.errors import Exit
from kernelrt.model import ModelSpec
from kernelrt.weights.make import make_weights
from tests.fixtures.engine import bundle_of

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()


PROGRAMS = {"kernelc": typer.main.get_command(kernelc), "kernelrt": typer.main.get_command(kernelrt)}


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_verb_has_an_example(program: str) -> None:
    verbs = set(PROGRAMS[program].commands)  # pyright: ignore[reportAttributeAccessIssue]  # a group, as app is
    assert {verb for verb in verbs if f"| `{program} {verb}" not in README} == set()


@pytest.mark.parametrize(("program", "count"), [("kernelc", 12), ("kernelrt", 8)])
def test_every_verb_takes_json(program: str, count: int) -> None:
    def verbs(name: str, command: Any) -> Iterator[tuple[str, set[str]]]:
        for sub, inner in getattr(command, "commands", {}).items():
            yield from verbs(f"{name} {sub}", inner)
        if not hasattr(command, "commands"):
            yield name, {option for parameter in command.params for option in parameter.opts}

    found = dict(verbs(program, PROGRAMS[program]))
    assert len(found) == count
    assert {name for name, options in found.items() if "--json" not in options} == set()
    assert "Every verb takes `--help`, and `--json`" in " ".join(README.split())


def test_the_python_example_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On the model of `make demo`."""
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert "--seq 512 --batch 1" in (ROOT / "Makefile").read_text()
    model, demo = ModelSpec.load("tiny"), tmp_path / "build" / "demo"
    bundle.write(demo / "tiny-host", bundle_of(model, Buckets(seq=(512,), batch=(1,), quant="q8_0")))
    make_weights(model, demo / "tiny.gguf", seed=1, format="q8_0")
    monkeypatch.chdir(tmp_path)
    exec(compile(example, "README.md", "exec"), {})
    assert len(capsys.readouterr().out.splitlines()) >= 2


def test_every_exit_code_is_explained() -> None:
    table = README.split("### Exit codes")[1].split("###")[0]
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)} == set(Exit)


def test_every_built_in_model_and_target_is_named() -> None:
    for folder in ("runtime/kernelrt/models", "kernelc/targets"):
        names = [path.stem for path in (ROOT / folder).glob("*.toml")]
        assert names
        assert [name for name in names if f"`{name}`" not in README] == []


@pytest.mark.parametrize(("target", "title"), [("phoenix", "Radeon 780M"), ("h200", "NVIDIA H200")])
def test_the_ceilings_are_those_of_the_roofline(target: str, title: str) -> None:
    row = next(line for line in README.splitlines() if line.startswith(f"| {title}, ") and "tok/s" in line)
    printed = re.findall(r"([\d.]+) tok/s", row)
    for quant, figure in zip(("q4_0", "q8_0"), printed[:2], strict=True):
        best = estimate(ModelSpec.load("gemma27b"), TargetSpec.load(target), quant, seq=1, batch=1).best("decode")
        assert float(figure) == pytest.approx(best.tokens_per_s, abs=0.05 if "." in figure else 0.5)


def test_the_test_command_is_the_one_that_is_checked() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert "make test" in script.read_text()
    assert "    make build" in README
    assert "    make test" in README
