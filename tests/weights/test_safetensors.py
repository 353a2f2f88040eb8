"""The safetensors header, and lies of every kind."""

import json
from pathlib import Path

import pytest

from kernelrt.errors import InputError
from kernelrt.weights.safetensors import read_header
from tests.fixtures.errors import one_line


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
