"""Text as it comes: whole characters, and stop strings."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelrt.errors import InputError
from kernelrt.text import gguf_fields as from_gguf
from kernelrt.text.stream import Detokenizer, StopStrings
from kernelrt.text.synthetic import gguf_fields
from tests.text.vocabularies import TEXTS

SIZE = 640
TOKENIZER = from_gguf.tokenizer(gguf_fields(SIZE), Path("model.gguf"))
BYTE = dict(enumerate(TOKENIZER.vocabulary.byte_ids()))
IDS = st.lists(st.integers(0, SIZE - 1) | st.sampled_from([BYTE[b] for b in b"\xe2\x82\xac\xf0\x9f\x99\x82\xff"]))


def pushed(ids: list[int]) -> list[str]:
    stream = Detokenizer(TOKENIZER)
    return [*(stream.push(id) for id in ids), stream.finish()]


@given(ids=IDS)
def test_the_parts_together_are_the_whole(ids: list[int]) -> None:
    assert "".join(pushed(ids)) == TOKENIZER.decode(ids)


@given(text=TEXTS)
def test_no_character_is_ever_broken(text: str) -> None:
    parts = pushed(TOKENIZER.encode(text))
    assert "".join(parts) == text.replace("▁", " ")
    assert "�" in text or not any("�" in part for part in parts)


@given(text=TEXTS, other=IDS)
def test_a_complete_character_is_never_held_back(text: str, other: list[int]) -> None:
    assert pushed(TOKENIZER.encode(text))[-1] == ""


def ids_of(*parts: str | int) -> list[int]:
    """Ids of bytes, and of pieces by their text."""
    found = [BYTE[part] if isinstance(part, int) else TOKENIZER.id(part) for part in parts]
    return [id for id in found if id is not None]


@pytest.mark.parametrize(
    ("ids", "parts"),
    [
        (ids_of(0xE2, 0x82, 0xAC, "a"), ["", "", "€", "a", ""]),
        (ids_of(0xF0, 0x9F, 0x99, 0x82), ["", "", "", "🙂", ""]),
        (ids_of(0xE2, 0x82), ["", "", "�"]),  # cut off at the end
        (ids_of(0xE2, 0x82, "a"), ["", "", "�a", ""]),  # proven by what follows
        (ids_of(0xFF, 0x41), ["�", "A", ""]),  # proven at once
        (ids_of(0xC0, 0x80), ["�", "�", ""]),  # an overlong form is none
        (ids_of(0xED, 0xA0, 0x80), ["", "", "���", ""]),  # nor is a surrogate
        (ids_of(0xE2, "<end_of_turn>", 0x82, 0xAC), ["", "", "", "€", ""]),  # control tokens are not there at all
        (ids_of("▁the", "▁▁", "\n"), [" the", "  ", "\n", ""]),
        (ids_of("<bos>", "▁the", "<start_of_turn>"), ["", " the", "", ""]),
    ],
)
def test_bytes_come_when_they_are_a_character(ids: list[int], parts: list[str]) -> None:
    assert pushed(ids) == parts


def test_an_unknown_id_is_named_and_one_of_the_model_alone_writes_nothing() -> None:
    with pytest.raises(InputError, match=f"unknown token id {SIZE}"):
        Detokenizer(TOKENIZER).push(SIZE)
    assert Detokenizer(TOKENIZER.for_model(SIZE + 1)).push(SIZE) == ""


def expected(text: str, stops: list[str]) -> tuple[str, str | None]:
    """The text up to the stop string that is complete first, of these the longest."""
    for end in range(len(text) + 1):
        hits = [stop for stop in stops if text[:end].endswith(stop)]
        if hits:
            longest = max(hits, key=len)
            return text[: end - len(longest)], longest
    return text, None


STOPS = st.lists(st.text("ab\n", min_size=1, max_size=4), max_size=3)
PARTS = st.lists(st.text("ab\n", max_size=4), max_size=12)


@given(stops=STOPS, parts=PARTS)
def test_the_text_ends_where_the_first_stop_string_begins(stops: list[str], parts: list[str]) -> None:
    stream = StopStrings(stops)
    text, hit = expected("".join(parts), stops)
    assert "".join([*map(stream.push, parts), stream.finish()]) == text
    assert stream.hit == hit


@given(stops=STOPS, parts=PARTS)
def test_only_what_may_become_a_stop_string_is_held_back(stops: list[str], parts: list[str]) -> None:
    stream = StopStrings(stops)
    given, passed = "", ""
    for part in parts:
        given += part
        passed += stream.push(part)
        if stream.hit is not None:
            break
        held = given[len(passed) :]
        assert given == passed + held
        may_become = [
            k for k in range(len(given) + 1) if any(s.startswith(given[k:]) and s != given[k:] for s in stops)
        ]
        assert len(held) == len(given) - min(may_become, default=len(given))


def test_a_stop_string_over_many_parts_is_never_shown() -> None:
    stream = StopStrings(["\nUser:"])
    assert [stream.push(part) for part in ("Yes.\n", "Us", "ual.", "\nUs", "er", ": no", "more")] == [
        "Yes.", "", "\nUsual.", "", "", "", "",
    ]  # fmt: skip
    assert (stream.hit, stream.finish()) == ("\nUser:", "")


def test_what_was_held_back_comes_at_the_end() -> None:
    stream = StopStrings(["end"])
    assert (stream.push("the en"), stream.hit, stream.finish(), stream.finish()) == ("the ", None, "en", "")


@pytest.mark.parametrize("stops", [[""], ["a", ""], ["\udc80"]])
def test_a_stop_string_that_is_none_is_refused(stops: list[str]) -> None:
    with pytest.raises(InputError, match=r"^--stop: "):
        StopStrings(stops)
