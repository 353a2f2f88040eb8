"""SentencePiece's BPE: text into pieces by merging, best score first.

The algorithm of sentencepiece (src/bpe_model.cc) and llama.cpp (llm_tokenizer_spm): a text is its characters; of all
adjacent pairs whose join is a piece, the one of the highest score (of equal scores the leftmost) is joined, until none
is left. A character that is no piece becomes its UTF-8 bytes. Hugging Face's BPE ranks pairs, not pieces: merges would
have to be derived from the scores, and differ for pieces of equal score or of characters that are no pieces.
"""

import math
import re
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

from kernelrt.text.vocabulary import SPACE, Kind, Vocabulary

_INF = math.inf


@dataclass(frozen=True, slots=True)
class Matcher:
    """Tokens that are taken out of a text before it is merged: leftmost first, of these the longest."""

    ids: Mapping[str, int]
    lengths: Mapping[str, tuple[int, ...]]  # by first character, descending
    first: re.Pattern[str]

    @classmethod
    def of(cls, ids: Mapping[str, int]) -> "Matcher":
        """Of non-empty texts and their ids."""
        lengths: dict[str, set[int]] = {}
        for text in ids:
            lengths.setdefault(text[0], set()).add(len(text))
        pattern = f"[{re.escape(''.join(lengths))}]" if lengths else r"(?!)"
        ordered = {first: tuple(sorted(found, reverse=True)) for first, found in lengths.items()}
        return cls(ids, ordered, re.compile(pattern))

    def split(self, text: str) -> Iterator[str | int]:
        """The text's parts in order: an id for each match, and what lies between."""
        begin = at = 0
        while found := self.first.search(text, at):
            at = found.start()
            for length in self.lengths[text[at]]:
                if (id := self.ids.get(text[at : at + length])) is not None:
                    if begin < at:
                        yield text[begin:at]
                    yield id
                    begin = at = at + length
                    break
            else:
                at += 1
        if begin < len(text):
            yield text[begin:]


@dataclass(frozen=True, slots=True)
class Spm:
    """A vocabulary with scores, without a dummy prefix. `costs[id]` is -score of what a merge may give, else inf."""

    vocabulary: Vocabulary
    costs: "array[float]"
    byte_ids: tuple[int, ...]
    plain: Matcher  # user-defined tokens
    special: Matcher  # these and the control tokens

    @classmethod
    def of(cls, vocabulary: Vocabulary, scores: Sequence[float]) -> "Spm":
        """With the score of each piece, finite. Raises FieldError ("vocabulary") where a byte token is missing.

        Merging gives normal pieces alone (the matchers have taken out the user-defined ones). llama.cpp looks among
        all kinds, so that a text could spell a control token whose parts are pieces; sentencepiece does not, nor this.
        """
        costs = array("d", [-s if k == Kind.NORMAL else _INF for s, k in zip(scores, vocabulary.kinds, strict=True)])
        # GGUF files have these with spaces or with SPACE; both mean the same text
        plain = {vocabulary.texts[id].replace(SPACE, " "): id for id in vocabulary.of(Kind.USER_DEFINED)}
        special = {vocabulary.texts[id].replace(SPACE, " "): id for id in vocabulary.of(Kind.CONTROL, Kind.UNKNOWN)}
        byte_ids = vocabulary.byte_ids()
        return cls(vocabulary, costs, byte_ids, Matcher.of(plain), Matcher.of({**plain, **special}))

    def encode(self, text: str, special: bool) -> list[int]:
        """Ids of valid Unicode. `special`: control tokens are read from the text as well."""
        ids: list[int] = []
        for part in (self.special if special else self.plain).split(text.replace(SPACE, " ")):
            if isinstance(part, int):
                ids.append(part)
            else:
                for symbol in self._merged(part.replace(" ", SPACE)):
                    ids.extend(self._ids_of(symbol))
        return ids

    def _ids_of(self, symbol: str) -> Sequence[int]:
        id = self.vocabulary.ids.get(symbol)
        if id is None or self.costs[id] == _INF:
            return [self.byte_ids[byte] for byte in symbol.encode()]
        return (id,)

    def _merged(self, text: str) -> Iterator[str]:
        """The symbols that are left of `text`.

        A symbol is known by where it begins: `ends[i]` is where symbol i ends, -1 once it is joined to the one before
        it; `before[i]` is where the one before it begins. A pair of the heap whose parts were joined since is stale.
        """
        size, known, costs = len(text), self.vocabulary.ids, self.costs
        ends = list(range(1, size + 1))
        before = list(range(-1, size - 1))
        heap: list[tuple[float, int, int, int]] = []  # cost, and where the left, the right and the next symbol begin
        for i in range(size - 1):
            id = known.get(text[i : i + 2])
            if id is not None and costs[id] != _INF:
                heap.append((costs[id], i, i + 1, i + 2))
        heapify(heap)
        while heap:
            _, left, right, stop = heappop(heap)
            if ends[left] != right or ends[right] != stop:
                continue
            ends[left], ends[right] = stop, -1
            if stop < size:
                before[stop] = left
                id = known.get(text[left : ends[stop]])
                if id is not None and costs[id] != _INF:
                    heappush(heap, (costs[id], left, stop, ends[stop]))
            if (previous := before[left]) >= 0:
                id = known.get(text[previous:stop])
                if id is not None and costs[id] != _INF:
                    heappush(heap, (costs[id], previous, left, stop))
        at = 0
        while at < size:
            yield text[at : ends[at]]
            at = ends[at]
