"""What the README promises is what the program has."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from kernelc.app import app
from kernelc.roofline import estimate
from kernelc.target import TargetSpec
from kernelrt.errors import Exit
from kernelrt.model import ModelSpec

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()


def test_every_verb_has_an_example() -> None:
    verbs = set(typer.main.get_command(app).commands)  # pyright: ignore[reportAttributeAccessIssue]  # a group, as app is
    assert {verb for verb in verbs if f"| `kernelc {verb}" not in README} == set()


def test_every_verb_takes_json() -> None:
    def verbs(name: str, command: Any) -> Iterator[tuple[str, set[str]]]:
        for sub, inner in getattr(command, "commands", {}).items():
            yield from verbs(f"{name} {sub}", inner)
        if not hasattr(command, "commands"):
            yield name, {option for parameter in command.params for option in parameter.opts}

    found = dict(verbs("kernelc", typer.main.get_command(app)))
    assert len(found) == 11
    assert {name for name, options in found.items() if "--json" not in options} == set()
    assert "Every verb takes `--help`, and `--json`" in README


def test_every_exit_code_is_explained() -> None:
    table = README.split("### Exit codes")[1].split("###")[0]
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)} == set(Exit)


def test_every_built_in_model_and_target_is_named() -> None:
    for kind in ("model", "target"):
        for path in (ROOT / "kernelc" / f"{kind}s").glob("*.toml"):
            assert f"`{path.stem}`" in README


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
