"""XRT up to the edge of the library: what is used of it exists, and what is ours around it does what it says.

NO NPU was at hand, and pyxrt is on no package index: what a device does is tested nowhere here. tests/npu/pyxrt.txt has
the signatures as the real module gave them; where pyxrt can be imported, it is asked again. `Scripted` is a run whose
states are given, to test how long is waited and what is made of a state: it imitates no device.
"""

import ctypes
import importlib.util
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from kernelrt.errors import Exit
from kernelrt.npu import pyxrt_api
from kernelrt.npu.errors import NpuError
from kernelrt.npu.pyxrt_api import USED, Device, Pyxrt
from kernelrt.npu.run import PAGE, Bound, Buffer, Kernel, check_bound, check_pages, flushes
from kernelrt.npu.xrt import XrtNpu, XrtPending, capsule, fate
from tests.fixtures.bundles import npu_entry

LISTED = [
    tuple(line.split(": ", 1))
    for line in (Path(__file__).parent / "pyxrt.txt").read_text().splitlines()
    if not line.startswith("#")
]
ENTRY = npu_entry("k", compiled=True)  # x is read, y is written; 512 bytes each


def test_all_that_is_used_of_pyxrt_is_listed_as_it_is() -> None:
    assert set(USED) <= {item[0] for item in LISTED}
    states = {item[0].rpartition(".")[2] for item in LISTED if item[0].startswith("ert_cmd_state.")}
    ended = states - {f"ERT_CMD_STATE_{name}" for name in ("NEW", "QUEUED", "SUBMITTED")}
    assert len(ended) == 7
    assert [state for state in ended if "unknown" in (fate(state) or "")] == []
    assert [state for state in ended if fate(state) is None] == ["ERT_CMD_STATE_COMPLETED"]
    assert fate("ERT_CMD_STATE_NEWER") == "ended in the unknown state ERT_CMD_STATE_NEWER"
    if importlib.util.find_spec("pyxrt"):
        _compare(importlib.import_module("pyxrt"))


def _compare(module: object) -> None:
    """The list with the real module."""
    assert pyxrt_api.missing(module) == []
    for name, *signature in LISTED:
        found: Any = module
        for part in name.split("."):
            found = getattr(found, part)
        documented = str(found.__init__.__doc__ if isinstance(found, type) else found.__doc__)
        assert all(text in documented for text in signature), name


@pytest.fixture
def search(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """The one folder in which a pyxrt can be found."""
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.setattr(pyxrt_api, "_PLACES", ())
    monkeypatch.delitem(sys.modules, "pyxrt", raising=False)
    yield tmp_path
    sys.modules.pop("pyxrt", None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "there is no pyxrt for this Python; install XRT 2.19 or newer for the NPU"),
        ("raise ImportError('libxrt_coreutil.so.2: cannot open\\nshared object file')", "cannot open shared object"),
        ("class bo: ...", "has no enumerate_devices, device, .* bo.cacheable, .*; XRT 2.19 or newer"),
    ],
)
def test_without_a_pyxrt_that_can_be_used_it_is_one_clear_error(search: Path, text: str | None, said: str) -> None:
    if text is not None:
        (search / "pyxrt.py").write_text(text)
    with pytest.raises(NpuError, match=said) as caught:
        XrtNpu.open()
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code is Exit.TOOL


def test_a_module_outside_pythons_folders_is_of_this_python(search: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = search / "xilinx"
    place.mkdir()
    monkeypatch.setattr(pyxrt_api, "_PLACES", (place,))
    tag = f"cpython-{sys.version_info.major}{sys.version_info.minor}"
    (place / "pyxrt.cpython-27-x86_64-linux-gnu.so").write_bytes(b"")
    assert pyxrt_api.find() is None
    mine = place / f"pyxrt.{tag}-x86_64-linux-gnu.so"
    mine.write_bytes(b"no library")
    assert pyxrt_api.find() == mine
    with pytest.raises(NpuError, match="does not load"):
        XrtNpu.open()


def test_a_capsule_holds_the_address() -> None:
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)
    assert get(capsule(0x7F00_0000_1000), None) == 0x7F00_0000_1000


@pytest.mark.parametrize(("address", "nbytes"), [(1, PAGE), (PAGE, 1), (PAGE, 0), (PAGE, -PAGE), (PAGE + 64, PAGE)])
def test_only_whole_pages_are_shared(address: int, nbytes: int) -> None:
    check_pages(PAGE, 3 * PAGE)
    with pytest.raises(NpuError, match="no whole pages of 4096"):
        check_pages(address, nbytes)


def at(page: int, nbytes: int = PAGE) -> Buffer:
    return Buffer(page * PAGE, nbytes, None)


@pytest.mark.parametrize(
    ("buffers", "said"),
    [
        ([at(1)], "k takes 2 buffers, got 1"),
        ([at(1), at(2), at(3)], "k takes 2 buffers, got 3"),
        ([at(1), at(2, 511)], "k: y needs 512 bytes, got 511"),
        ([at(1), at(1)], "the memory of x and y overlaps"),
        ([Buffer(PAGE, PAGE, None), Buffer(PAGE + 511, PAGE, None)], "the memory of x and y overlaps"),
    ],
)
def test_buffers_that_do_not_fit_are_refused(buffers: list[Buffer], said: str) -> None:
    with pytest.raises(NpuError, match=said):
        check_bound(ENTRY, "main", buffers)


def test_a_sequence_that_is_not_there_is_refused() -> None:
    with pytest.raises(NpuError, match="k has no sequence 'other': it has main"):
        check_bound(ENTRY, "other", [at(1), at(2)])


def test_buffers_that_fit_are_taken() -> None:
    check_bound(ENTRY, "main", [at(2), at(1)])
    check_bound(ENTRY, "main", [Buffer(PAGE, PAGE, None), Buffer(PAGE + 512, PAGE, None)])
    reads = replace(ENTRY, arguments=tuple(replace(argument, access="r") for argument in ENTRY.arguments))
    check_bound(reads, "main", [at(1), at(1)])


def test_the_host_hands_over_what_it_wrote_and_takes_back_what_was_written() -> None:
    kernel, one, two, three = Kernel(ENTRY, None), at(1), at(2), at(3)
    chain = [
        Bound(kernel, "main", (one, two), None),
        Bound(kernel, "main", (two, three), None),
        Bound(kernel, "main", (one, three), None),
    ]
    assert flushes(chain) == ([one], [two, three])
    assert flushes(chain[1:]) == ([two, one], [three])
    inout = Kernel(replace(ENTRY, arguments=(ENTRY.arguments[0], replace(ENTRY.arguments[1], access="rw"))), None)
    assert flushes([Bound(inout, "main", (one, two), None)]) == ([one, two], [two])


@dataclass
class Scripted:
    """A run whose states are given, one for each time it is asked; the last one stays."""

    states: list[str]
    started: int = 0

    def start(self) -> None:
        self.started += 1

    def wait(self, milliseconds: int) -> None:
        assert 0 < milliseconds < 1000, "0 would wait for ever, with Python's lock held"
        time.sleep(0.001)

    def state(self) -> SimpleNamespace:
        name = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        if name == "raise":
            raise RuntimeError("ioctl failed:\n Input/output error")
        return SimpleNamespace(name=name)


@dataclass
class Synced:
    """Keeps how a buffer was handed over."""

    directions: list[str]

    def sync(self, direction: str) -> None:
        self.directions.append(direction)


def npu() -> XrtNpu:
    directions = {f"XCL_BO_SYNC_BO_{way}": way for way in ("TO_DEVICE", "FROM_DEVICE")}
    return XrtNpu(
        cast(Pyxrt, SimpleNamespace(xclBOSyncDirection=SimpleNamespace(**directions))), cast(Device, None), "npu"
    )


def bound(*states: str) -> tuple[Bound, Synced, Synced]:
    x, y = Synced([]), Synced([])
    buffers = (Buffer(PAGE, PAGE, x), Buffer(2 * PAGE, PAGE, y))
    return (
        Bound(
            Kernel(ENTRY, None),
            "main",
            buffers,
            Scripted([f"ERT_CMD_STATE_{s}" if s != "raise" else s for s in states]),
        ),
        x,
        y,
    )


def test_runs_are_started_together_and_waited_for_in_their_order() -> None:
    first, x, y = bound("SUBMITTED", "SUBMITTED", "COMPLETED")
    second = replace(first, handle=Scripted(["ERT_CMD_STATE_QUEUED", "ERT_CMD_STATE_COMPLETED"]))
    pending = npu().start([first, second])
    assert [cast(Scripted, run.handle).started for run in (first, second)] == [1, 1]
    assert (x.directions, y.directions) == (["TO_DEVICE"], [])
    assert not pending.done()
    pending.wait(60)
    assert pending.done()
    assert (x.directions, y.directions) == (["TO_DEVICE"], ["FROM_DEVICE"])


@pytest.mark.parametrize(
    ("states", "timeout", "said"),
    [
        (["SUBMITTED"], 0.02, "k did not end within 0.02 s on npu"),
        (["TIMEOUT"], 60, "k hung until the driver stopped it on npu"),
        (["SUBMITTED", "NORESPONSE"], 60, "the NPU does not respond"),
        (["SKCRASHED"], 60, "crashed the NPU's firmware"),
        (["ABORT"], 60, "k was aborted"),
        (["raise"], 60, "k failed on npu: ioctl failed: Input/output error"),
    ],
)
def test_a_failed_run_is_named_and_the_npu_not_used_again(states: list[str], timeout: float, said: str) -> None:
    device, (run, _, y) = npu(), bound(*states)
    pending = device.start([run])
    with pytest.raises(NpuError, match=re.escape(said)) as caught:
        pending.wait(timeout)
    assert "\n" not in str(caught.value)
    assert y.directions == [], "no result is given out"
    again = "the NPU npu can no longer be used: "
    for call in (
        lambda: device.start([run]),
        lambda: device.load(ENTRY, {}),
        lambda: device.share(PAGE, PAGE),
        lambda: device.allocate(PAGE),
        lambda: device.part(run.buffers[0], 0, PAGE),
        lambda: device.bind(run.kernel, "main", run.buffers),
        lambda: pending.wait(1),
    ):
        with pytest.raises(NpuError, match=again):
            call()


def test_a_kernel_without_an_xclbin_is_refused_with_the_reason() -> None:
    entry = npu_entry("k", compiled=False)
    with pytest.raises(NpuError, match=r"k has no xclbin \(it is validated\): no aiecc"):
        npu().load(entry, {"mlir": b"module {}"})


def test_a_closed_npu_is_not_used_again() -> None:
    device, (run, _, _) = npu(), bound("COMPLETED")
    pending = device.start([run])
    assert isinstance(pending, XrtPending)
    device.close()
    with pytest.raises(NpuError, match="it was closed"):
        pending.wait(1)
