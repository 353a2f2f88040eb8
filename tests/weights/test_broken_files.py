"""Weights files of both formats cut off anywhere, and with flipped bytes in their headers: nothing but one clear error,
or another checkpoint.
"""

import tracemalloc
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernelrt.errors import InputError
from kernelrt.gguf import read_gguf
from kernelrt.model import ModelSpec
from kernelrt.weights.safetensors import read_header
from kernelrt.weights.slots import Formats
from kernelrt.weights.source import open_checkpoint
from tests.fixtures.checkpoints import write_folder, write_gguf
from tests.fixtures.errors import one_line
from tests.oracle import weights

MODEL = ModelSpec.load("tiny")
FILES = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])


@dataclass(frozen=True)
class Whole:
    """A good file. `padding`: bytes at its end that it can do without. `cut`: what is said of one cut in the header."""

    suffix: str
    content: bytes
    header: int
    padding: int
    cut: str


@pytest.fixture(scope="module", params=["gguf", "safetensors"])
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    folder, tensors = tmp_path_factory.mktemp("w"), weights.tensors(MODEL, 3)
    if request.param == "gguf":
        path = write_gguf(folder / "w.gguf", MODEL, tensors, "q4_0")
        header, padding, cut = read_gguf(path).header_bytes, 19, "not a usable GGUF header"
    else:
        path = write_folder(folder, MODEL, tensors) / "model.safetensors"
        header, padding, cut = read_header(path).nbytes, 0, "cut off"
    return Whole(path.suffix, path.read_bytes(), header, padding, cut)


@FILES
@given(data=st.data())
def test_a_file_cut_off_anywhere_is_one_clear_error(tmp_path: Path, whole: Whole, data: st.DataObject) -> None:
    path, most = tmp_path / f"cut{whole.suffix}", len(whole.content) - whole.padding - 1
    size = data.draw(st.one_of(st.integers(0, whole.header - 1), st.integers(whole.header, most)))
    path.write_bytes(whole.content[:size])
    with pytest.raises(InputError) as error:
        open_checkpoint(path)
    one_line(error, str(path), whole.cut if size < whole.header else f"it has {size} bytes and should have ")


@FILES
@given(data=st.data())
def test_flipped_bytes_of_a_header_end_in_one_clear_error_or_in_another_checkpoint(
    tmp_path: Path, whole: Whole, data: st.DataObject
) -> None:
    path, content = tmp_path / f"flipped{whole.suffix}", bytearray(whole.content)
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, whole.header - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    said, peak = opening(path)
    assert peak < 32 << 20  # the file has one MiB
    if said is not None:  # a flipped byte of a name that no one reads, or of blanks, does no harm
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
