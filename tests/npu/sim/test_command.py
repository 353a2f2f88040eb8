"""`kernelrt simulate`: files in, files out, exit codes."""

import json
from pathlib import Path

import numpy as np
import pytest

from kernelrt.app import app
from kernelrt.console.main import _verb as verb  # pyright: ignore[reportPrivateUsage]  # the whole way but the exit
from kernelrt.errors import Exit
from tests.npu.sim.designs import fifo, sequence, whole, worker

SMALL = "memref<16xi32>"
RUN = sequence("%a: memref<64xi32>, %b: memref<64xi32>", ("in", whole("a", 64)), ("out", whole("b", 64)))
BODY = "%s = aie.tile(0, 0)\n%t2 = aie.tile(0, 2)\n" + fifo("in", "%s, {%t2}", SMALL) + fifo("out", "%t2, {%s}", SMALL)
TEXT = f"module {{ aie.device(npu1) {{\n{BODY}{worker('t2', 16)}{RUN}\n}} }}"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("add.mlir").write_text(TEXT)
    np.save("a.npy", np.arange(64, dtype=np.int32))
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["kernelrt", "simulate", *arguments])
    return verb("kernelrt", lambda: app)


def test_the_result_is_written_back(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "add.mlir", "--arg", "a.npy", "--arg", "b.npy:rw", "--seed", "7", "--poison") == Exit.OK
    np.testing.assert_array_equal(np.load("b.npy"), np.arange(1, 65, dtype=np.int32))
    assert "(modelled)" in capsys.readouterr().out
    np.save("b.npy", np.full(64, 5, np.uint32))
    assert run(monkeypatch, "add.mlir", "--arg", "b.npy", "--arg", "a.npy:rw", "--json") == Exit.OK
    np.testing.assert_array_equal(np.load("a.npy"), np.full(64, 6, np.int32))
    assert json.loads(capsys.readouterr().out)["macs"] == 0
    assert sorted(path.name for path in folder.iterdir()) == ["a.npy", "add.mlir", "b.npy"]
    assert (
        run(monkeypatch, "add.mlir", "--arg", "b.npy", "--arg", "a.npy", "--report", "--sequence", "sequence")
        == Exit.OK
    )
    assert "(0, 2) S2MM 0" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["none.mlir"], Exit.STORE, "cannot read the design none.mlir: No such file or directory"),
        (["a.npy"], Exit.INPUT, "a.npy is not a text file"),
        (["add.mlir"], Exit.INPUT, "takes 2 arguments (a: memref<64xi32>, b: memref<64xi32>), and 0 are given"),
        (["add.mlir", "--arg", "a.npy", "--arg", "no.npy"], Exit.STORE, "cannot read no.npy"),
        (
            ["add.mlir", "--arg", "a.npy", "--arg", "add.mlir"],
            Exit.INPUT,
            "add.mlir is no array in NumPy's .npy format",
        ),
        (["add.mlir", "--arg", "a.npy:rw", "--arg", "a.npy:rw"], Exit.INPUT, "a.npy is given twice and written back"),
        (["add.mlir", "--arg", "a.npy", "--arg", "short.npy:rw"], Exit.INPUT, "not of shape (32,) and dtype int32"),
        (
            ["add.mlir", "--arg", "a.npy", "--arg", "b.npy:rw", "--sequence", "x"],
            Exit.INPUT,
            "has no runtime sequence x",
        ),
        (["stall.mlir", "--arg", "a.npy", "--arg", "b.npy:rw"], Exit.FAILED, "deadlock: "),
        (["wrong.mlir", "--arg", "a.npy"], Exit.INPUT, "wrong.mlir:1:"),
    ],
)
def test_one_line_and_an_exit_code(
    arguments: list[str],
    code: Exit,
    message: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    np.save("short.npy", np.zeros(32, np.int32))
    (folder / "stall.mlir").write_text(TEXT.replace("%a : memref<64xi32>, 0, 64", "%a : memref<64xi32>, 0, 32"))
    (folder / "wrong.mlir").write_text("module { aie.device(npu9) {} }")
    content = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert run(monkeypatch, *arguments) == code
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == content
