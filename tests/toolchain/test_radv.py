"""RADV's null device: real machine code for the Radeon, made without it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernelc.errors import ToolError
from kernelc.toolchain import radv_driver
from kernelc.toolchain.errors import CompileError
from kernelc.toolchain.glslang import compile
from kernelc.toolchain.identity import Memo
from kernelc.toolchain.radv import Radv, WorkerError, choose
from kernelc.toolchain.radv_driver import Driver

_SHADER = """#version 460
layout(local_size_x = 64, local_size_x_id = 0) in;
layout(constant_id = 1) const uint ROWS = 4u;
layout(set = 0, binding = 0, std430) readonly buffer A { float a[]; };
layout(set = 0, binding = 1, std430) writeonly buffer B { float b[]; };
shared float tile[ROWS * 64];
void main() {
  uint i = gl_LocalInvocationIndex;
  for (uint r = 0; r < ROWS; r++) tile[r * 64 + i] = a[r * 64 + i] * 3.0;
  barrier();
  float sum = 0.0;
  for (uint r = 0; r < ROWS; r++) sum += tile[r * 64 + (63 - i)];
  b[gl_GlobalInvocationID.x] = sum;
}
"""
# Far more values alive at once than a lane has registers.
_SPILLING = """#version 460
layout(local_size_x = 1024) in;
layout(set = 0, binding = 0, std430) readonly buffer A { float a[]; };
layout(set = 0, binding = 1, std430) buffer B { float b[]; };
void main() {
  uint i = gl_GlobalInvocationID.x;
  float v[400];
  for (uint k = 0; k < 400; k++) v[k] = a[i * 400 + k];
  barrier();
  for (uint k = 0; k < 400; k++) b[i * 400 + k] = v[399 - k] * v[k];
}
"""


@pytest.fixture(scope="module")
def driver() -> Driver:
    return choose(Memo(), "phoenix")


@pytest.fixture(scope="module")
def radv(driver: Driver) -> Iterator[Radv]:
    with Radv(driver) as compiler:
        yield compiler


def test_the_driver_says_what_it_is(driver: Driver) -> None:
    assert driver.family in ("phoenix", "gfx1103_r1")
    assert "Mesa" in driver.version
    identity = driver.identity(Memo())
    assert identity.name == f"radv {driver.family}"
    assert len(identity.sha256) == 64


def test_the_null_device_has_the_features_of_the_phoenix_target(radv: Radv) -> None:
    about = radv.about()
    assert "Null hardware" in about["name"]
    needed = {"float16", "storage16", "int8", "storage8", "subgroup", "integer_dot", "coopmat_f16", "executable_info"}
    assert needed <= set(about["features"])
    assert (about["min_subgroup"], about["max_subgroup"]) == (32, 64)
    assert about["shared_memory"] == 65536


def test_figures_and_assembly_of_a_kernel(radv: Radv) -> None:
    isa = radv.compile(compile(_SHADER, "sum"), "sum", 2, {0: 64, 1: 4}, subgroup=32)
    stats = isa.stats
    assert stats.subgroup_size == 32
    assert 0 < stats.vgprs <= 256
    assert (stats.spilled_vgprs, stats.spilled_sgprs, stats.scratch_bytes) == (0, 0, 0)
    assert stats.lds_bytes == 1024
    assert stats.code_bytes > 4 * 10
    assert stats.instructions is not None
    assert stats.instructions > 10
    assert stats.latency is not None
    assert stats.inverse_throughput is not None
    assert "s_endpgm" in isa.assembly
    assert "ds_" in isa.assembly
    assert "buffer_store_b32" in isa.assembly


def test_the_same_kernel_gives_the_same_again(radv: Radv, driver: Driver) -> None:
    spirv = compile(_SHADER, "sum")
    first = radv.compile(spirv, "sum", 2, {0: 64}, subgroup=32)
    assert radv.compile(spirv, "other name", 2, {0: 64}, subgroup=32) == first
    with Radv(driver) as other:
        assert other.compile(spirv, "sum", 2, {0: 64}, subgroup=32) == first


def test_constants_and_subgroup_size_reach_the_compiler(radv: Radv) -> None:
    spirv = compile(_SHADER, "sum")
    assert radv.compile(spirv, "sum", 2, {0: 64, 1: 16}, subgroup=32).stats.lds_bytes == 4096
    assert radv.compile(spirv, "sum", 2, {0: 64}, subgroup=64).stats.subgroup_size == 64


def test_spilling_is_counted(radv: Radv) -> None:
    stats = radv.compile(compile(_SPILLING, "spill"), "spill", 2, subgroup=32).stats
    assert stats.spilled_vgprs > 0 or stats.scratch_bytes > 0


def test_a_subgroup_size_that_the_gpu_lacks_is_one_clear_error(radv: Radv) -> None:
    with pytest.raises(CompileError, match=r"sum: RADV refuses it: needs subgroups of 16; Null hardware"):
        radv.compile(compile(_SHADER, "sum"), "sum", 2, subgroup=16)


def test_a_crash_is_one_error_and_the_next_kernel_compiles(radv: Radv) -> None:
    spirv = compile(_SHADER, "sum")
    broken = spirv[: len(spirv) // 2]
    broken = broken[: len(broken) // 4 * 4]
    with pytest.raises(CompileError, match=r"^broken: RADV's compiler (was ended by SIG|exited with)"):
        radv.compile(broken, "broken", 2)
    assert radv.compile(spirv, "sum", 2, {0: 64}).stats.code_bytes > 0


def _worker() -> int:
    """The process of the compiler that was started last."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return [int(pid) for pid in children if b"radv_worker" in Path(f"/proc/{pid}/cmdline").read_bytes()][-1]


def test_a_killed_process_is_started_again(driver: Driver) -> None:
    spirv = compile(_SHADER, "sum")
    with Radv(driver) as compiler:
        compiler.about()
        os.kill(_worker(), signal.SIGKILL)
        with pytest.raises(CompileError, match="sum: RADV's compiler was ended by SIGKILL"):
            compiler.compile(spirv, "sum", 2)
        assert compiler.compile(spirv, "sum", 2).stats.code_bytes > 0


def test_a_compile_that_never_ends_is_ended(driver: Driver) -> None:
    with Radv(driver, timeout=60) as compiler:
        compiler.about()
        os.kill(_worker(), signal.SIGSTOP)
        compiler.timeout = 0.2
        with pytest.raises(CompileError, match=r"sum: RADV's compiler did not end within 0\.2 s"):
            compiler.compile(compile(_SHADER, "sum"), "sum", 2)


def test_the_users_driver_settings_do_not_reach_it(radv: Radv, driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    spirv = compile(_SHADER, "sum")
    expected = radv.compile(spirv, "sum", 2, {0: 64})
    monkeypatch.setenv("RADV_PERFTEST", "cswave32")
    monkeypatch.setenv("ACO_DEBUG", "noopt,nosched")
    monkeypatch.setenv("RADV_FORCE_FAMILY", "navi10")
    monkeypatch.setenv("VK_DRIVER_FILES", "/nowhere.json")
    with Radv(driver) as compiler:
        assert compiler.compile(spirv, "sum", 2, {0: 64}) == expected


def test_the_folder_it_is_started_in_is_not_searched(
    driver: Driver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("json", "struct", "vulkan", "cffi"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('not ours to run')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    with Radv(driver) as compiler:
        assert "Null hardware" in compiler.about()["name"]


def test_a_process_that_does_not_start_is_not_taken_for_a_missing_driver(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with Radv(driver) as compiler, pytest.raises(WorkerError, match=r"does not start: it exited with code 1$"):
        compiler.about()
    assert not issubclass(WorkerError, ToolError)


def test_an_unknown_gpu_is_one_clear_error() -> None:
    with pytest.raises(ToolError, match="no offline compiler for the GPU 'voodoo'"):
        choose(Memo(), "voodoo")


def test_a_family_that_radv_does_not_know_is_one_clear_error(driver: Driver) -> None:
    with (
        Radv(Driver(driver.icd, driver.library, "", "no_such_gpu")) as compiler,
        pytest.raises(ToolError, match=r"Null hardware|was ended by|exited with"),
    ):
        compiler.about()


def test_a_missing_driver_is_one_clear_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(radv_driver, "_DATA_FOLDERS", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_DIRS", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path))
    with pytest.raises(ToolError, match=r"RADV is not installed \(no radeon_icd\*\.json .*install mesa-vulkan-drivers"):
        radv_driver.find_driver()
    folder = tmp_path / "vulkan" / "icd.d"
    folder.mkdir(parents=True)
    icd = folder / "radeon_icd.x86_64.json"
    icd.write_text("{}")
    with pytest.raises(ToolError, match="cannot be read"):
        radv_driver.find_driver()
    icd.write_text(json.dumps({"ICD": {"library_path": "../libvulkan_radeon.so"}}))
    with pytest.raises(ToolError, match=r"names \.\./libvulkan_radeon\.so, which is not there"):
        radv_driver.find_driver()
    (folder.parent / "libvulkan_radeon.so").write_bytes(b"")
    assert radv_driver.find_driver()[1].samefile(folder.parent / "libvulkan_radeon.so")


def test_choice_with_a_filled_memo_starts_no_process(
    driver: Driver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memo = Memo(tmp_path / "memo.json")
    choose(memo, "phoenix")
    memo.save()

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    assert choose(Memo(tmp_path / "memo.json"), "phoenix") == driver
