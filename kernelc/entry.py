"""entry.json: which files a store entry has, with the SHA-256 of each, sealed by a digest of its own."""

import hashlib
from collections.abc import Mapping

from kernelrt.jsonio import JsonError, seal, unseal

ENTRY = "entry.json"


class DamagedEntryError(Exception):
    """An entry that is there and fails its check."""


def describe(key: str, files: Mapping[str, bytes]) -> bytes:
    """The bytes of entry.json."""
    return seal({"key": key, "files": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}})


def check(key: str, files: Mapping[str, bytes]) -> None:
    """DamagedEntryError where `files`, entry.json among them, are not those that were put under `key`."""
    if ENTRY not in files:
        raise DamagedEntryError(f"{ENTRY} is missing")
    try:
        fields = unseal(files[ENTRY], ENTRY).members("key", "files", "digest")
        if fields["key"].text() != key:
            raise DamagedEntryError(f"{ENTRY} is that of {fields['key'].text()}")
        listed = {name: node.text() for name, node in fields["files"].members().items()}
    except JsonError as e:
        raise DamagedEntryError(str(e)) from None
    others = files.keys() - {ENTRY}
    if listed.keys() != others:
        raise DamagedEntryError("missing or not listed: " + ", ".join(sorted(listed.keys() ^ others)))
    for name, sha256 in listed.items():
        if hashlib.sha256(files[name]).hexdigest() != sha256:
            raise DamagedEntryError(f"{name} was altered")
