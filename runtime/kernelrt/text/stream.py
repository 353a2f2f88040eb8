"""Text out of tokens as they come: whole characters, and nothing of a stop string."""

import codecs
from collections.abc import Sequence

from kernelrt.errors import InputError
from kernelrt.text.tokenizer import Tokenizer
from kernelrt.text.vocabulary import unicode_text


class Detokenizer:
    """Turns ids into text piece by piece; all pieces together are `Tokenizer.decode` of all ids.

    The bytes of a character that is not complete are held back, three at the most. Bytes that are none become U+FFFD,
    one for each longest beginning of a character, as Unicode recommends and Python's decoder does.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._piece = tokenizer.piece
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def push(self, id: int) -> str:
        """What one more token lets be printed, perhaps nothing. InputError for an unknown id."""
        return self._decoder.decode(self._piece(id))

    def finish(self) -> str:
        """What was held back."""
        return self._decoder.decode(b"", final=True)


class StopStrings:
    """Passes text on until one of `stops` appears in it: it is cut where that begins.

    The first to be complete counts, of several at once the longest. So the parts in which the text comes do not matter.
    No character of what may still become a stop string is passed on, and no other is held back.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        """Raises InputError for an empty stop string, or one that is not Unicode."""
        for stop in stops:
            if not unicode_text(stop, "--stop"):
                raise InputError("--stop: an empty text would stop at once")
        self._stops = tuple(stops)
        self._held = ""
        self.hit: str | None = None  # the stop string that ended the text

    def push(self, text: str) -> str:
        """What of the text so far may be printed. Nothing comes after a hit."""
        if self.hit is not None:
            return ""
        text = self._held + text
        found = [(begin + len(stop), begin, stop) for stop in self._stops if (begin := text.find(stop)) >= 0]
        if found:
            _, begin, self.hit = min(found)
            self._held = ""
            return text[:begin]
        keep = max((_overlap(text, stop) for stop in self._stops), default=0)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]

    def finish(self) -> str:
        """What was held back: no stop string came of it."""
        held, self._held = self._held, ""
        return held


def _overlap(text: str, stop: str) -> int:
    """How many characters at the end of `text` begin `stop`, which is not in it."""
    longest = min(len(text), len(stop) - 1)
    return next((size for size in range(longest, 0, -1) if text.endswith(stop[:size])), 0)
