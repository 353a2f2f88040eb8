"""The safetensors header: lies of every kind, files cut off anywhere, bytes flipped; nothing but one clear error."""

import json
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernelrt.errors import InputError
from kernelrt.model import ModelSpec
from kernelrt.weights.safetensors import read_header
from kernelrt.weights.slots import Formats
from kernelrt.weights.source import open_checkpoint
from tests.fixtures.checkpoints import write_folder
from tests.fixtures.errors import one_line
from tests.oracle import weights

MODEL = ModelSpec.load("tiny")
FILES = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])


def tensor(start: int, end: int, shape: list[int], dtype: str = "F16") -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


def file(table: object, data: int, length: int | None = None) -> bytes:
    text = table if isinstance(table, bytes) else json.dumps(table).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + bytes(data)


GOOD = {"__metadata__": {"a": "b"}, "b": tensor(8, 12, [2, 1]), "a": tensor(0, 8, [4]), "empty": tensor(8, 8, [0, 3])}


def test_a_good_file_is_read_in_the_order_of_its_data(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(file(GOOD, 12))
    header = read_header(path)
    found = [(e.name, e.dtype, e.shape, e.start - header.nbytes, e.nbytes) for e in header.entries]
    assert found == [("a", "F16", (4,), 0, 8), ("empty", "F16", (0, 3), 8, 0), ("b", "F16", (2, 1), 8, 4)]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "a header of 0 bytes in a file of 0"),
        (b"1234567", "in a file of 7; was the download cut off?"),
        (file(GOOD, 12, 1 << 63), "a header of 9223372036854775808 bytes in a file of"),
        (file(GOOD, 12, 500), "a header of 500 bytes in a file of"),
        (file(b"{" + b" " * (16 << 20), 0), "is longer than any model's (16 MiB)"),
        (file(b'{"a": 1', 0), "its header is not JSON"),
        (file(b"\xff", 0), "its header is not JSON"),
        (file(b"[" * 100_000, 0), "its header is nested too deeply"),
        (file(b'{"a": ' + b"9" * 5000 + b"}", 0), "its header is not JSON"),
        (file(b'{"a": NaN}', 0), "NaN is no JSON"),
        (file([], 0), "expected an object"),
        (file(b'{"a": {"dtype": "F16", "dtype": "F32"}}', 0), "the key 'dtype' occurs twice"),
        (file(b'{"a": {}, "a": {}}', 0), "the key 'a' occurs twice"),
        (file({"a": 1}, 0), "tensor 'a': expected an object, found an integer"),
        (file({"a": {"dtype": "F16"}}, 0), "tensor 'a' has the fields ['dtype']"),
        (file({"a": tensor(0, 8, [4], "F12")}, 8), "tensor 'a' has the unknown dtype 'F12'"),
        (file({"a": tensor(0, 8, [-4])}, 8), "tensor 'a' has the impossible shape [-4]"),
        (file({"a": tensor(0, 8, [1 << 60])}, 8), "the impossible shape"),
        (file({"a": tensor(0, 8, [True, 4])}, 8), "the impossible shape"),
        (file({"a": {**tensor(0, 8, []), "shape": "4"}}, 8), "the impossible shape '4'"),
        (file({"a": tensor(8, 0, [4])}, 8), "the impossible data_offsets [8, 0]"),
        (file({"a": {**tensor(0, 8, [4]), "data_offsets": [0, 8, 9]}}, 8), "the impossible data_offsets"),
        (file({"a": tensor(0, 8, [5])}, 8), "tensor 'a' F16 [5] takes 10 bytes, and its data_offsets span 8"),
        (file({"a": tensor(2, 10, [4])}, 10), "tensor 'a' does not begin where"),
        (file({"a": tensor(0, 8, [4]), "b": tensor(6, 14, [4])}, 14), "tensor 'b' overlaps the tensor before it"),
        (file({"a": tensor(0, 8, [4]), "b": tensor(0, 8, [4])}, 8), "tensor 'b' overlaps the tensor before it"),
        (
            file({"a": tensor(0, 8, [4]), "b": tensor(9, 17, [4])}, 17),
            "tensor 'b' does not begin where the one before it ends",
        ),
        (file({"a": tensor(0, 8, [4])}, 7), "and should have"),
        (file({"a": tensor(0, 8, [4])}, 9), "and should have"),
        (file({"a": tensor(0, 2 << 40, [1 << 40])}, 9), "bytes and should have 2199023255"),
    ],
)
def test_a_lie_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        read_header(path)
    one_line(error, f"{path}: not a usable safetensors file: ", said)


@pytest.fixture(scope="module")
def checkpoint_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_folder(tmp_path_factory.mktemp("w"), MODEL, weights.tensors(MODEL, 3))
    return folder / "model.safetensors"


@FILES
@given(data=st.data())
def test_a_file_cut_off_anywhere_is_one_clear_error(tmp_path: Path, checkpoint_file: Path, data: st.DataObject) -> None:
    path, whole = tmp_path / "cut.safetensors", checkpoint_file.read_bytes()
    header = 8 + int.from_bytes(whole[:8], "little")
    size = data.draw(st.one_of(st.integers(0, header), st.integers(header, len(whole) - 1)))
    path.write_bytes(whole[:size])
    with pytest.raises(InputError) as error:
        open_checkpoint(path)
    one_line(error, str(path), "cut off" if size < header else f"it has {size} bytes and should have {len(whole)}")


@FILES
@given(data=st.data())
def test_flipped_bytes_of_a_header_end_in_one_clear_error_or_in_another_checkpoint(
    tmp_path: Path, checkpoint_file: Path, data: st.DataObject
) -> None:
    path, whole = tmp_path / "flipped.safetensors", checkpoint_file.read_bytes()
    header = 8 + int.from_bytes(whole[:8], "little")
    content = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, header - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    said, peak = opening(path)
    assert peak < 32 << 20  # the file has one MiB
    if said is not None:  # a flipped byte of the metadata, or of blanks, does no harm
        assert str(path) in said
        assert "\n" not in said


def opening(path: Path) -> tuple[str | None, int]:
    """What the error said, if there was one, and the most memory that was held."""
    tracemalloc.start()
    try:
        with open_checkpoint(path) as checkpoint:
            checkpoint.check(MODEL, Formats("q4_0", "q4_0"))
        said = None
    except InputError as error:
        said = str(error)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return said, peak
