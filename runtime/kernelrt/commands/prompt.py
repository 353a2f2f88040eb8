"""From the words on the command line to the token ids of a prompt."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kernelrt.errors import InputError
from kernelrt.specfile import read_bytes
from kernelrt.text.ids import parse_ids

if TYPE_CHECKING:
    from kernelrt.text.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True)
class Words:
    """What the user gave: one of `prompt`, `file` and `tokens`. `chat` None: as the tokenizer allows.

    Construction raises InputError where that is not so, or where nothing or nonsense was given.
    """

    prompt: str | None
    file: str | None
    tokens: str | None
    chat: bool | None
    system: str | None

    def __post_init__(self) -> None:
        given = [option for option, value in self._options if value is not None]
        if len(given) != 1:
            problem = f"{' and '.join(given)} exclude each other" if given else "no prompt"
            raise InputError(f"{problem}; give one of --prompt TEXT, --prompt-file FILE and --tokens 2,17,…")
        for option, value in self._options:
            if value == "":
                raise InputError(f"{option}: is empty; at least one token is needed")
        if self.tokens is not None and (self.chat or self.system is not None):
            raise InputError(f"{'--chat' if self.chat else '--system'}: needs a text; --tokens is taken as it is")
        if self.system is not None and self.chat is False:
            raise InputError("--system: belongs to a chat; leave out --no-chat")

    def encode(self, tokenizer: "Tokenizer | None", vocab: int) -> tuple[list[int], bool]:
        """The ids, and whether they are a turn of a chat. A text needs a tokenizer.

        InputError for ids that are none of the model's `vocab`, and for a text that cannot be encoded.
        """
        if self.tokens is not None:
            return parse_ids(self.tokens, vocab), False
        option, text = ("--prompt", self.prompt) if self.file is None else ("--prompt-file", _read(self.file))
        if not text:
            raise InputError(f"{option}: is empty; at least one token is needed")
        assert tokenizer is not None
        from kernelrt.text import chat
        from kernelrt.text.vocabulary import START_OF_TURN

        asked = self.chat or self.system is not None
        if asked or (self.chat is None and tokenizer.id(START_OF_TURN) is not None):
            system = [] if self.system is None else [chat.Message("system", self.system)]
            return chat.gemma(tokenizer, [*system, chat.Message("user", text)]), True
        return tokenizer.encode(text), False

    @property
    def _options(self) -> tuple[tuple[str, str | None], ...]:
        return (("--prompt", self.prompt), ("--prompt-file", self.file), ("--tokens", self.tokens))


def check_length(tokens: int, context: int) -> None:
    """InputError for a prompt of more than `context` tokens: before anything is loaded."""
    if tokens > context:
        raise InputError(
            f"the prompt has {tokens} tokens; the context holds {context}: take a shorter one, a larger --context, "
            "or a bundle built with a larger --seq"
        )


def _read(name: str) -> str:
    path = Path(name)
    try:
        return read_bytes(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"--prompt-file {path}: not UTF-8 at byte {error.start}") from None
