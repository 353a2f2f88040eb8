"""What the key of each kernel was made of when it was last built: for `kernelc explain`, and for nothing else."""

from dataclasses import dataclass
from pathlib import Path

from kernelc.store import Store
from kernelrt.atomic import replace_file
from kernelrt.jsonio import JsonError, Node, seal, unseal


class DamagedHistoryError(Exception):
    """A history file that is there and fails its check."""


@dataclass(frozen=True, slots=True)
class Record:
    """A kernel's key when it was last built, and the parts of that key."""

    key: str
    parts: dict[str, str]


def read(store: Store, model: str, target: str) -> dict[str, Record]:
    """The records of a model and target by kernel; empty where there is none. DamagedHistoryError, StoreError."""
    path = _path(store, model, target)
    with store.guarded():
        if not path.is_file():
            return {}
        data = path.read_bytes()
    try:
        kernels = unseal(data, str(path)).members("digest", "kernels")["kernels"].members()
        return {name: _record(node) for name, node in kernels.items()}
    except JsonError as e:
        raise DamagedHistoryError(str(e)) from None


def write(store: Store, model: str, target: str, records: dict[str, Record]) -> None:
    """Replaces the records of a model and target. StoreError."""
    kernels = {name: {"key": record.key, "parts": record.parts} for name, record in records.items()}
    with store.guarded():
        replace_file(_path(store, model, target), seal({"kernels": kernels}))


def _path(store: Store, model: str, target: str) -> Path:
    return store.history / f"{_plain(model)}@{_plain(target)}.json"


def _plain(name: str) -> str:
    return "".join(c if c.isalnum() or c in "._-" else "_" for c in name)


def _record(node: Node) -> Record:
    fields = node.members("key", "parts")
    return Record(fields["key"].text(), {name: str(value) for name, value in fields["parts"].scalars().items()})
