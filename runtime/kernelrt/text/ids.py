"""Token ids as a user writes them."""

import re

from kernelrt.errors import InputError
from kernelrt.specfile import shown

_ID = re.compile(r"\s*([0-9]{1,10})\s*", re.ASCII)


def parse_ids(text: str, vocab: int, option: str = "--tokens") -> list[int]:
    """The ids in "2,17,…", each of a vocabulary of `vocab`. InputError that names `option`, and which id is wrong."""
    if not text.strip():
        raise InputError(f"{option}: empty; expected token ids like 2,17,42")
    ids: list[int] = []
    for place, item in enumerate(text.split(","), 1):
        if not (found := _ID.fullmatch(item)):
            raise InputError(f"{option}: item {place}, {shown(item)}, is not a token id; expected ids like 2,17,42")
        if (id := int(found[1])) >= vocab:
            raise InputError(f"{option}: unknown token id {id} (item {place}): the vocabulary is 0 to {vocab - 1}")
        ids.append(id)
    return ids
