"""SentencePiece's merges: against a plain loop, and against sentencepiece itself."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.text.vocabularies import NORMAL, TEXTS, USER_DEFINED, Pieces, vocabularies

SPACE = "▁"


def plain_loop(pieces: Pieces, text: str) -> list[int]:
    """The algorithm as its papers tell it: user-defined pieces first, then always the best of all adjacent pairs."""
    rows = pieces.rows
    ids = {text: id for id, (text, _, _) in enumerate(rows)}
    fixed = {text: id for id, (text, kind, _) in enumerate(rows) if kind == USER_DEFINED}
    joins = {text: score for text, kind, score in rows if kind == NORMAL}
    text = text.replace(" ", SPACE)
    symbols: list[str | int] = []  # an id is what no merge crosses
    at = 0
    while at < len(text):
        longest = max((t for t in fixed if text.startswith(t, at)), key=len, default=None)
        symbols.append(text[at] if longest is None else fixed[longest])
        at += 1 if longest is None else len(longest)
    while True:
        best = None
        for i, (left, right) in enumerate(pairwise(symbols)):
            if isinstance(left, str) and isinstance(right, str) and left + right in joins:
                score = joins[left + right]
                if best is None or score > best[0]:
                    best = (score, i, left + right)
        if best is None:
            break
        symbols[best[1] : best[1] + 2] = [best[2]]
    found: list[int] = []
    for symbol in symbols:
        if isinstance(symbol, int):
            found.append(symbol)
        elif symbol in joins:
            found.append(ids[symbol])
        else:
            found += [ids[f"<0x{byte:02X}>"] for byte in symbol.encode()]
    return found


@st.composite
def cases(draw: st.DrawFn) -> tuple[Pieces, str]:
    """A vocabulary, and a text that is mostly of its pieces."""
    pieces = draw(vocabularies())
    texts = [text for text, _, _ in pieces.body] or [" "]
    return pieces, draw(TEXTS | st.lists(st.sampled_from(texts), max_size=20).map("".join))


@settings(max_examples=300)
@given(cases())
def test_the_ids_are_those_of_the_plain_loop(case: tuple[Pieces, str]) -> None:
    pieces, text = case
    assert pieces.tokenizer().encode(text, bos=False) == plain_loop(pieces, text)


@settings(max_examples=300)
@given(cases())
def test_the_ids_are_those_of_sentencepiece(case: tuple[Pieces, str]) -> None:
    pieces, text = case
    assert pieces.tokenizer().encode(text, bos=False) == pieces.sentencepiece().encode(text)


@given(cases())
def test_decoding_gives_the_text_back(case: tuple[Pieces, str]) -> None:
    pieces, text = case
    has_space = any(row[0] == SPACE for row in pieces.body)  # where it has none, SPACE itself becomes bytes
    tokenizer = (pieces if has_space else Pieces((*pieces.body, (SPACE, NORMAL, 0.0)))).tokenizer()
    assert tokenizer.decode(tokenizer.encode(text)) == text.replace(SPACE, " ")


def body(*texts: str) -> Pieces:
    """Normal pieces, the first with the highest score."""
    return Pieces(tuple((text, NORMAL, -float(i)) for i, text in enumerate(texts)))


def words(pieces: Pieces, text: str) -> list[str]:
    tokenizer = pieces.tokenizer()
    return [tokenizer.vocabulary.texts[id] for id in tokenizer.encode(text, bos=False)]


def test_the_higher_score_is_joined_first_and_not_the_longer_piece() -> None:
    assert words(body("bc", "ab", "abc", "a", "b", "c", "d"), "abcd") == ["abc", "d"]
    assert words(body("cd", "bc", "bcd", "a", "b", "c", "d"), "abcd") == ["a", "bcd"]


def test_what_was_joined_is_joined_again_with_both_its_neighbours() -> None:
    assert words(body("bc", "abc", "abcd", "a", "b", "c", "d"), "abcd") == ["abcd"]
    assert words(body("bc", "bcd", "abcd", "a", "b", "c", "d"), "abcd") == ["abcd"]
    assert words(body("ab", "cd", "abcd", "a", "b", "c", "d"), "abcd") == ["abcd"]
    assert words(body("cd", "ab", "abcd", "a", "b", "c", "d"), "abcd") == ["abcd"]


def test_of_equal_scores_the_leftmost_is_joined() -> None:
    assert words(body("aa", "a"), "aaa") == ["aa", "a"]
    equal = Pieces(tuple((text, NORMAL, 0.0) for text in ("a", "b", "c", "bc", "ab")))
    assert words(equal, "abc") == ["ab", "c"]


def test_a_piece_can_be_made_in_two_ways() -> None:
    assert words(body("ab", "ba", "a", "b", "aba", "c"), "abaab") == ["aba", "ab"]
    assert words(body("aa", "aaa", "a"), "aaaaa") == ["aa", "aaa"]


def test_a_piece_can_be_made_of_characters_that_are_none() -> None:
    assert words(body("<>"), "<>") == ["<>"]


def test_what_is_no_piece_becomes_bytes() -> None:
    assert words(body("a"), "é🙂a") == ["<0xC3>", "<0xA9>", "<0xF0>", "<0x9F>", "<0x99>", "<0x82>", "a"]


def test_a_space_is_kept_everywhere() -> None:
    assert words(body("▁a", "▁", "a"), " a  ") == ["▁a", "▁", "▁"]
    assert words(body("▁a", "▁", "a"), "a a") == ["a", "▁a"]


def test_a_user_defined_piece_is_found_with_spaces_or_their_sign() -> None:
    for text in ("  ", "▁▁"):
        pieces = Pieces((("▁", NORMAL, -1.0), ("▁a", NORMAL, 5.0), ("a", NORMAL, -2.0), (text, USER_DEFINED, -1000.0)))
        assert words(pieces, "   a") == [text, "▁a"]
        assert pieces.tokenizer().decode(pieces.tokenizer().encode("   a")) == "   a"


def test_a_long_text_without_any_boundary_is_encoded() -> None:
    """A text of 100 000 characters is one single run of merges."""
    pieces = body(*(a + b for a in "abc" for b in "abc"), "abcabc", "aaaa", "a", "b", "c")
    tokenizer = pieces.tokenizer()
    for text in ("abc" * 33_334, "a" * 100_000, "abcba" * 20_000):
        ids = tokenizer.encode(text, bos=False)
        assert len(ids) < 0.7 * len(text)
        assert tokenizer.decode(ids) == text
