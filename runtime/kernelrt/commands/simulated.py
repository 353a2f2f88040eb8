"""Files of `kernelrt simulate`: the design's text and the arrays of its arguments."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from kernelrt.atomic import replace_file
from kernelrt.errors import FileError, InputError
from kernelrt.npu.instructions import RuntimeSequence
from kernelrt.npu.sim.arguments import check_count, numpy_dtypes

_WRITTEN = ":rw"


def read_text(path: str) -> str:
    """The text of a design.

    Raises:
        FileError: the file cannot be read.
        InputError: it is not text.
    """
    try:
        return Path(path).read_text("utf-8")
    except OSError as e:
        raise FileError(f"cannot read the design {path}: {e.strerror}") from e
    except UnicodeDecodeError as e:
        raise InputError(f"{path} is not a text file: a design is MLIR in UTF-8") from e


@dataclass(frozen=True, slots=True)
class Argument:
    """An array's file, and whether the array is written back."""

    path: Path
    written: bool

    @staticmethod
    def parse(texts: Sequence[str]) -> "tuple[Argument, ...]":
        """`a.npy` or `a.npy:rw`.

        Raises:
            InputError: a file is given twice and written, so that one would be lost.
        """
        found = tuple(Argument(Path(text.removesuffix(_WRITTEN)), text.endswith(_WRITTEN)) for text in texts)
        paths = [argument.path.absolute() for argument in found]
        for argument in found:
            if argument.written and paths.count(argument.path.absolute()) > 1:
                raise InputError(
                    f"{argument.path} is given twice and written back: give each argument a file of its own"
                )
        return found

    @staticmethod
    def read(given: "Sequence[Argument]", sequence: RuntimeSequence, file: str) -> list[NDArray[np.generic]]:
        """The arrays; zeros for one that is written and not there yet.

        Raises:
            FileError: a file cannot be read.
            InputError: it is no array, or their number is not that of the sequence's arguments.
        """
        check_count(file, sequence, len(given))
        arrays: list[NDArray[np.generic]] = []
        for argument, wanted in zip(given, sequence.arguments, strict=True):
            if argument.written and not argument.path.exists():
                arrays.append(np.zeros(wanted.type.shape, numpy_dtypes(wanted.type.dtype)[0]))
                continue
            try:
                loaded: object = np.load(argument.path, allow_pickle=False)
            except OSError as e:
                raise FileError(f"cannot read {argument.path}: {e.strerror or e}") from e
            except (ValueError, EOFError) as e:
                raise InputError(f"{argument.path} is no array in NumPy's .npy format") from e
            if not isinstance(loaded, np.ndarray):
                raise InputError(f"{argument.path} holds several arrays: give a .npy file with one")
            arrays.append(np.array(cast("NDArray[np.generic]", loaded), order="C"))
        return arrays

    def write(self, array: NDArray[np.generic]) -> None:
        """Replaces the file, whole, if it is to be written.

        Raises:
            FileError: it cannot be written; what was there before still is.
        """
        if not self.written:
            return
        content = io.BytesIO()
        np.save(content, array, allow_pickle=False)
        try:
            replace_file(self.path, content.getvalue())
        except OSError as e:
            raise FileError(f"cannot write {self.path}: {e.strerror}") from e
