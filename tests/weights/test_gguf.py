"""The whole GGUF header, tensors included: as the `gguf` package writes it, and lies of every kind."""

import struct
from pathlib import Path

import gguf
import numpy as np
import pytest
from gguf.constants import GGML_QUANT_SIZES

from kernelrt.errors import InputError
from kernelrt.ggml_types import TYPES
from kernelrt.gguf import read_gguf
from kernelrt.weights.source import open_checkpoint
from tests.fixtures.errors import one_line


def test_the_types_are_those_of_the_package() -> None:
    known = {int(kind): (kind.name, *GGML_QUANT_SIZES[kind]) for kind in GGML_QUANT_SIZES}
    assert {number: (kind.name, kind.block, kind.nbytes) for number, kind in TYPES.items()}.items() <= known.items()


@pytest.mark.parametrize("alignment", [None, 64, 4096])
def test_tensors_are_found_where_the_package_writes_them(tmp_path: Path, alignment: int | None) -> None:
    path = tmp_path / "w.gguf"
    writer = gguf.GGUFWriter(path, "any")
    if alignment is not None:
        writer.add_custom_alignment(alignment)
    rng = np.random.default_rng(4)
    arrays = {
        "m": rng.random((3, 64), np.float32),
        "v": rng.random(5, np.float32),
        "h": rng.random((2, 7)).astype("f2"),
    }
    for name, array in arrays.items():
        writer.add_tensor(name, array)
    raw = rng.integers(0, 255, (3, 36), np.uint8)
    writer.add_tensor("q", raw, raw_dtype=gguf.GGMLQuantizationType.Q4_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    found = read_gguf(path)
    content = path.read_bytes()
    for name, array in {**arrays, "q": raw}.items():
        info = found.tensors[name]
        assert content[info.start : info.start + info.nbytes] == array.tobytes()
        assert info.shape == ((3, 64) if name == "q" else array.shape)
        assert info.type.name == {"m": "F32", "v": "F32", "h": "F16", "q": "Q4_0"}[name]


def string(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()


def tensor(name: str = "a", sizes: tuple[int, ...] = (8,), kind: int = 0, start: int = 0) -> bytes:
    return string(name) + struct.pack(f"<I{len(sizes)}QIQ", len(sizes), *sizes, kind, start)


def file(*tensors: bytes, pairs: bytes = b"", keys: int = 0, count: int | None = None, data: int = 64) -> bytes:
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors) if count is None else count, keys)
    head += pairs + b"".join(tensors)
    return head + bytes(-len(head) % 32) + bytes(data)


def pair(key: str, kind: int, value: bytes) -> bytes:
    return string(key) + struct.pack("<I", kind) + value


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (file(tensor(), count=1 << 40), "1099511627776 tensors before byte"),
        (file(tensor(), count=60000, data=0), "within the header; was the download cut off?"),
        (file(keys=1 << 60), "1152921504606846976 keys before byte"),
        (file(pairs=struct.pack("<Q", 1 << 26), keys=1), "within the header"),
        (file(pairs=struct.pack("<Q", 1 << 27), keys=1), "134217728 bytes of a string before byte"),
        (file(pairs=pair("x", 9, struct.pack("<IQ", 8, 1 << 23)), keys=1), "within the header"),
        (file(pairs=pair("x", 9, struct.pack("<IQ", 9, 1)), keys=1), "key 'x' has the unknown type 9"),
        (file(pairs=pair("x", 4, bytes(4)) * 2, keys=2), "the key 'x' occurs twice"),
        (file(tensor(), tensor(start=32)), "two tensors of the name 'a'"),
        (file(tensor(), tensor("b")), "tensors 'a' and 'b' overlap"),
        (file(tensor(start=8)), "tensor 'a' at offset 8, no multiple of 32"),
        (file(tensor(kind=4)), "tensor 'a' has the unknown type 4"),
        (file(tensor(sizes=())), "tensor 'a' of F32 has the impossible dimensions []"),
        (file(tensor(sizes=(4, 0))), "the impossible dimensions [4, 0]"),
        (file(tensor(sizes=(1,) * 5)), "tensor 'a' has 5 dimensions"),
        (file(tensor(sizes=(40,), kind=2)), "tensor 'a' of Q4_0 has the impossible dimensions [40]"),
        (file(pairs=pair("general.alignment", 4, struct.pack("<I", 24)), keys=1), "must be a power of two, is 24"),
        (file(pairs=pair("general.alignment", 8, string("32")), keys=1), "must be a power of two, is '32'"),
    ],
)
def test_a_lie_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "w.gguf"
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        read_gguf(path)
    one_line(error, f"{path}: not a usable GGUF header: ", said)


@pytest.mark.parametrize(
    "tensors",
    [
        (tensor(sizes=(17,)),),
        (tensor(start=1 << 62),),
        (tensor(sizes=((1 << 63) - 1, 1 << 62)),),
        (tensor(), tensor("b", (1 << 40,), start=32)),
    ],
)
def test_data_outside_of_the_file_says_how_long_it_should_be(tmp_path: Path, tensors: tuple[bytes, ...]) -> None:
    path = tmp_path / "w.gguf"
    path.write_bytes(file(*tensors))
    with pytest.raises(InputError) as error:
        read_gguf(path)
    one_line(error, f"{path}: cut off: it has {path.stat().st_size} bytes and should have ", "download it again")


def test_one_part_of_several_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.gguf"
    path.write_bytes(file(pairs=pair("split.count", 2, struct.pack("<H", 3)), keys=1))
    with pytest.raises(InputError) as error:
        open_checkpoint(path)
    one_line(error, f"{path}: one of 3 parts; join them first")
