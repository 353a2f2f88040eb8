"""Templates' bytecode: taken where it is what the source makes, and never in the way."""

import sys
from pathlib import Path
from typing import Any

import jinja2
import pytest

from kernelc.bytecode import Bytecode


@pytest.fixture(autouse=True)
def writing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)


class Watching(jinja2.Environment):
    """Says whether it had to compile."""

    compiled = False

    def compile(self, *arguments: Any, **more: Any) -> Any:
        self.compiled = True
        return super().compile(*arguments, **more)


def rendered(folder: Path, trim: bool = False) -> tuple[str, bool]:
    """The template's text, and whether it was compiled for it."""
    cache = Bytecode(folder / "__pycache__")
    env = Watching(loader=jinja2.FileSystemLoader(folder), bytecode_cache=cache, trim_blocks=trim)
    return env.get_template("t").render(x=1), env.compiled


def test_what_was_compiled_is_taken_until_the_source_changes(tmp_path: Path) -> None:
    (tmp_path / "t").write_text("a {{ x }}\n")
    assert rendered(tmp_path) == ("a 1", True)
    assert rendered(tmp_path) == ("a 1", False)
    (tmp_path / "t").write_text("b {{ x }}\n")
    assert rendered(tmp_path) == ("b 1", True)
    assert len(list((tmp_path / "__pycache__").iterdir())) == 1


def test_another_environment_takes_none_of_it(tmp_path: Path) -> None:
    (tmp_path / "t").write_text("{% if x %}\na\n{% endif %}\n")
    assert rendered(tmp_path) == ("\na\n", True)
    assert rendered(tmp_path, trim=True) == ("a\n", True)
    assert rendered(tmp_path) == ("\na\n", True)


@pytest.mark.parametrize("cut", [0, 40, -1])
def test_what_is_damaged_is_compiled_again(tmp_path: Path, cut: int) -> None:
    (tmp_path / "t").write_text("a {{ x }}\n")
    rendered(tmp_path)
    (file,) = (tmp_path / "__pycache__").iterdir()
    data = file.read_bytes()
    file.write_bytes(data[:cut] + b"?" * (cut != 0))
    assert rendered(tmp_path) == ("a 1", True)
    assert file.read_bytes() == data
    assert rendered(tmp_path) == ("a 1", False)


def test_a_place_that_takes_none_is_no_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "t").write_text("a {{ x }}\n")
    (tmp_path / "__pycache__").write_text("a file")
    assert rendered(tmp_path) == ("a 1", True)
    (tmp_path / "__pycache__").unlink()
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert rendered(tmp_path) == ("a 1", True)
    assert [path.name for path in tmp_path.iterdir()] == ["t"]
