"""The answer as it comes: text where there is a tokenizer, else token ids."""

from collections.abc import Callable, Sequence

from kernelrt.text.stream import Detokenizer, StopStrings
from kernelrt.text.tokenizer import Tokenizer


class Answer:
    """Takes tokens, and hands on what of the text may be shown. `text` is all that was handed on so far."""

    def __init__(self, tokenizer: Tokenizer, stops: Sequence[str], show: Callable[[str], None]) -> None:
        """InputError for a stop string that is none."""
        self._detokenizer = Detokenizer(tokenizer)
        self._stops = StopStrings(stops)
        self._show = show
        self.text = ""

    @property
    def stop(self) -> str | None:
        """The stop string that ended the text."""
        return self._stops.hit

    def take(self, sequence: int, token: int) -> bool:
        """Whether the text is to end here."""
        self._pass(self._stops.push(self._detokenizer.push(token)))
        return self.stop is not None

    def finish(self) -> None:
        """Hands on what was held back."""
        self._pass(self._stops.push(self._detokenizer.finish()))
        self._pass(self._stops.finish())

    def _pass(self, text: str) -> None:
        if text:
            self.text += text
            self._show(text)


class Numbers:
    """The same of token ids alone, with commas between; there is no text."""

    text = None
    stop = None

    def __init__(self, show: Callable[[str], None]) -> None:
        self._show = show
        self._first = True

    def take(self, sequence: int, token: int) -> bool:
        self._show(str(token) if self._first else f",{token}")
        self._first = False
        return False

    def finish(self) -> None:
        """Nothing was held back."""
