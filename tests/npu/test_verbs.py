"""`kernelc plan`, `show` and `explain` of kernels for the NPU."""

import json
import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kernelc.explain import explain
from kernelc.npu.budget import Budget, Tally
from kernelc.npu.request import NpuRequest
from kernelc.npu.tools import choose
from kernelc.store import Store
from kernelc.toolchain.identity import Memo
from kernelrt.errors import Exit, InputError
from kernelrt.npu.text.load import load
from tests.cli.process import process
from tests.fixtures.builds import request
from tests.fixtures.cli import ROOT, SMALL, kernelc, one_clear_error
from tests.fixtures.npu_plan import copy, run

NPU = (*SMALL, "--npu", "sim")
KERNEL = "npu_prefill.global.s512.bf16.c512"


def told(*words: str) -> Any:
    done = kernelc(*words, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_plan_lists_them_with_their_work_and_memory() -> None:
    (planned,) = (kernel for kernel in told("plan", *NPU)["npu_kernels"] if kernel["name"] == KERNEL)
    assert planned["work"] == {"macs": 2 * 4 * 32 * 512 * 513 // 2, "moved": planned["work"]["moved"], "tiles": 16}
    assert planned["parameters"].items() >= {"head_dim": 32, "capacity": 512, "rows": 512, "dtype": "bf16"}.items()
    taken = planned["budget"]["compute tile"]
    assert sum(taken["buffers"].values()) == taken["counts"][0]["taken"] <= taken["counts"][0]["of"] == 65536
    lines = kernelc("plan", *NPU).stdout.splitlines()
    row = next(line for line in lines if line.startswith(KERNEL))
    assert f"{planned['work']['macs'] / 1e6:.3f}" in row
    assert f" {taken['counts'][0]['taken']} " in row
    assert "head_dim=32" in row
    assert told("plan", *SMALL)["npu_kernels"] == [], "the host has no NPU to plan for unless it is asked for"


def test_show_gives_the_design_and_what_the_host_binds() -> None:
    design = load(told("show", KERNEL, "--emit", "mlir", *NPU)["text"], "shown.mlir")
    abi = told("show", KERNEL, "--emit", "abi", *NPU)
    assert abi["sequences"] == [sequence.name for sequence in design.sequences]
    assert kernelc("show", KERNEL, *NPU).stdout.startswith("#left = affine_map")
    text = kernelc("show", KERNEL, "--emit", "abi", *NPU).stdout
    for argument, declared in zip(abi["arguments"], design.sequences[0].arguments, strict=True):
        assert (argument["name"], argument["dtype"]) == (declared.name, declared.type.dtype)
        assert f"{argument['nbytes']} bytes" in text
    assert "65536 bytes (stack 2048 + queries " in text
    assert "not counted: program memory" in text


def test_a_stage_that_a_kernel_has_not_is_one_clear_error() -> None:
    wrong = kernelc("show", KERNEL, "--emit", "isa", *NPU)
    one_clear_error(wrong, Exit.INPUT, f"--emit isa: {KERNEL} is a kernel for the NPU, of which there are mlir, abi")
    wrong = kernelc("show", "head.b1.q4_0", "--emit", "mlir", *NPU)
    one_clear_error(wrong, Exit.INPUT, "is a kernel for the GPU, of which there are glsl, spirv, asm, isa, abi")
    one_clear_error(kernelc("show", KERNEL, *SMALL), Exit.INPUT, "with --npu sim those for the NPU too")


def test_explain_knows_a_kernel_of_the_plan(tmp_path: Path) -> None:
    words = ("explain", KERNEL, *NPU, "--store", str(tmp_path / "store"))
    assert kernelc(*words).stdout.splitlines()[1:] == ["never built with this store", "a build will compile it"]
    assert "environment: sequences" in told(*words)["unchanged"]


def test_explain_says_which_part_of_the_key_changed(tmp_path: Path) -> None:
    run((copy(256, name="k"),), tmp_path, mode="sim")

    def explained(**changed: Any) -> Any:
        npu = NpuRequest((copy(256, name="k", **changed),), "npu1", choose(Memo(), "sim"))
        return explain(replace(request([]), npu=npu), Store(tmp_path))

    assert (explained().state, explained().changes) == ("stored", ())
    found = explained(block=32)
    assert [change.part for change in found.changes] == ["source"]
    assert any(line.startswith("-") and "64xi32" in line for line in found.source), found.source
    assert any(line.startswith("+") and "32xi32" in line for line in found.source), found.source
    assert [change.part for change in explained(sequences=("once",)).changes] == ["environment: sequences"]


def test_verify_tells_of_them_apart(tmp_path: Path) -> None:
    run((copy(256), copy(512)), tmp_path / "store", tmp_path / "out", mode="sim")
    done = kernelc("verify", tmp_path / "out")
    assert ", 1 kernels (1 validated), 2 for the NPU (2 validated), " in done.stdout, done.stderr


def test_the_design_in_the_readme_runs_as_written(tmp_path: Path) -> None:
    text = (ROOT / "README.md").read_text()
    (design,) = re.findall(r"```mlir\n(.*?)```", text, re.DOTALL)
    (tmp_path / "double.mlir").write_text(design)
    np.save(tmp_path / "a.npy", np.arange(64, dtype="i4"))
    (line,) = re.findall(r"^    kernelrt (simulate double.mlir .*)$", text, re.MULTILINE)
    done = process(*shlex.split(line), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert np.array_equal(np.load(tmp_path / "b.npy"), 2 * np.arange(64))
    (core,) = (row.split() for row in done.stdout.splitlines() if row.startswith("(0, 2)  "))
    assert core[2:] == ["0", "0", "64", "64", "64"], "64 additions, behind 64 words that come"


def test_a_budget_refuses_what_is_too_much_of_anything() -> None:
    chains = tuple((("MM2S", channel), 8) for channel in (0, 2, 4, 1))
    tally = Tally("memory", (("a", 500_000), ("b", 30_000)), chains, 65)
    with pytest.raises(InputError) as caught:
        Budget((tally,)).check("k")
    assert str(caught.value) == (
        "k does not fit the NPU: memory tile: 530000 of 524288 bytes (a 500000 + b 30000); memory tile: 65 of 64 locks"
    )
    assert not replace(tally, buffers=(), locks=64).faults()
    more = replace(tally, buffers=(), locks=0, bds=(*chains, (("S2MM", 0), 1)))
    assert more.faults() == ["25 of 24 BDs of even channels (MM2S 0: 8 + MM2S 2: 8 + MM2S 4: 8 + S2MM 0: 1)"]
    assert Tally("compute", (), tuple((("MM2S", i), 1) for i in range(3)), 0).faults() == ["3 of 2 MM2S channels"]
