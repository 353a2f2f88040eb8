"""The runtime as it is installed alone: no compiler, no templates, nothing of kernelc."""

import os
import subprocess
import sys
from pathlib import Path

from tests.cli.conftest import Place
from tests.cli.process import CPU, told
from tests.fixtures.cli import ROOT


def test_a_fresh_environment_with_the_runtime_alone_generates(place: Place, tmp_path: Path) -> None:
    home = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", home], check=True)
    install = [sys.executable, "-m", "pip", "--python", str(home), "install", "--quiet", "--no-compile"]
    done = subprocess.run([*install, str(ROOT / "runtime")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

    def alone(*words: str | Path) -> "subprocess.CompletedProcess[str]":
        """With that environment's programs alone; the home has the driver's cache of compiled shaders."""
        kept = {"PATH": str(home / "bin"), "HOME": os.environ["HOME"]}
        return subprocess.run(
            list(map(str, words)), cwd=tmp_path, env=kept, capture_output=True, text=True, check=False
        )

    for package in ("kernelc", "jinja2", "slangpy", "torch", "transformers", "gguf", "safetensors", "matplotlib"):
        missing = alone(home / "bin" / "python", "-c", f"import {package}")
        assert f"No module named '{package}'" in missing.stderr
    prompt = ("--prompt", "the words of one", "--max-tokens", "4")
    words = ("run", "--bundle", place.bundle, "--weights", place.weights, *CPU, *prompt)
    done = alone(home / "bin" / "kernelrt", *words)
    assert done.returncode == 0, done.stderr
    assert done.stdout == told(*words)["text"] + "\n"
