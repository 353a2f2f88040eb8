"""Gemma's chat template, as token ids.

The template is the `chat_template` of Gemma 3's tokenizer_config.json: <bos>, then each turn as
<start_of_turn>ROLE, a newline, the text without white space at its ends, <end_of_turn> and a newline; a system text
goes before the first user's, as it is, with a blank line between. Its control tokens are put in as ids, and the texts
are encoded as plain text: what a user writes cannot begin or end a turn.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from kernelrt.errors import InputError
from kernelrt.text.tokenizer import Tokenizer
from kernelrt.text.vocabulary import END_OF_TURN, START_OF_TURN

Role = Literal["system", "user", "model"]


@dataclass(frozen=True, slots=True)
class Message:
    """What one side says."""

    role: Role
    text: str


def gemma(tokenizer: Tokenizer, messages: Sequence[Message]) -> list[int]:
    """The ids of a conversation, up to where the model's next turn begins.

    `messages`: at most one of the system, first; then user and model in turn, the user first and last. InputError for
    any other order, a tokenizer without the turns' tokens, and a text that is not Unicode.
    """
    start, end = (_control(tokenizer, text) for text in (START_OF_TURN, END_OF_TURN))
    ids = [tokenizer.bos_id]
    for role, text in _turns(messages):
        ids += [start, *_plain(tokenizer, f"{role}\n{text}"), end, *_plain(tokenizer, "\n")]
    return [*ids, start, *_plain(tokenizer, "model\n")]


def _turns(messages: Sequence[Message]) -> list[tuple[str, str]]:
    """Role and text of each turn, the system's words within the first."""
    system = f"{messages[0].text}\n\n" if messages and messages[0].role == "system" else ""
    turns: list[tuple[str, str]] = []
    for message in messages[1 if system else 0 :]:
        expected = "model" if len(turns) % 2 else "user"
        if message.role != expected:
            raise InputError(f"turn {len(turns) + 1} of the conversation is the {expected}'s, not the {message.role}'s")
        turns.append((expected, message.text.strip() if turns else system + message.text.strip()))
    if len(turns) % 2 == 0:
        raise InputError(f"a conversation ends with the user's words; this one has {len(turns)} turns")
    return turns


def _plain(tokenizer: Tokenizer, text: str) -> list[int]:
    return tokenizer.encode(text, bos=False, special=False)


def _control(tokenizer: Tokenizer, text: str) -> int:
    if (id := tokenizer.id(text)) is None:
        raise InputError(f"{tokenizer.source}: has no {text}: not the tokenizer of a Gemma model that chats")
    return id
