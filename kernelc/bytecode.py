"""Templates as Python's bytecode, kept beside their sources as Python keeps its modules': parsing them would be a third
of a build that has nothing to compile.
"""

import hashlib
import os
import sys
from contextlib import suppress
from pathlib import Path

import jinja2
from jinja2.bccache import Bucket

_SEAL = hashlib.sha256().digest_size


class Bytecode(jinja2.BytecodeCache):
    """Code of templates in `folder`, each sealed by its SHA-256; Jinja compares the template's source and the Python.

    What is damaged is compiled again, and what cannot be written is not kept: nothing but time depends on it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get_bucket(self, environment: jinja2.Environment, name: str, filename: str | None, source: str) -> Bucket:
        # An environment with other options makes other code of the same source.
        options = {option: value for option, value in vars(environment).items() if _plain(value)}
        bucket = Bucket(environment, _digest(name), _digest(repr((jinja2.__version__, options, source))))
        self.load_bytecode(bucket)
        return bucket

    def load_bytecode(self, bucket: Bucket) -> None:
        try:
            data = self._path(bucket).read_bytes()
        except OSError:
            return
        if hashlib.sha256(data[_SEAL:]).digest() == data[:_SEAL]:
            bucket.bytecode_from_string(data[_SEAL:])

    def dump_bytecode(self, bucket: Bucket) -> None:
        if sys.dont_write_bytecode:
            return
        data = bucket.bytecode_to_string()
        path = self._path(bucket)
        fresh = path.with_suffix(f".{os.getpid()}")
        with suppress(OSError):
            self._folder.mkdir(exist_ok=True)
            fresh.write_bytes(hashlib.sha256(data).digest() + data)
            fresh.replace(path)

    def _path(self, bucket: Bucket) -> Path:
        return self._folder / f"{bucket.key[:16]}.{sys.implementation.cache_tag}"


def _plain(value: object) -> bool:
    return value is None or isinstance(value, bool | int | str)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
