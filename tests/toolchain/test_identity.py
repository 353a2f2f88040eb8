"""Identities of tools, and the memo of hashes."""

import hashlib
import json
import os
from pathlib import Path

import pytest

from kernelc.errors import StoreError, ToolError
from kernelc.toolchain.identity import Memo, identify
from kernelrt.jsonio import seal


def test_identity_follows_the_bytes_and_not_the_place(tmp_path: Path) -> None:
    first, second, other = tmp_path / "a.so", tmp_path / "sub" / "b.so", tmp_path / "c.so"
    second.parent.mkdir()
    first.write_bytes(b"tool")
    second.write_bytes(b"tool")
    other.write_bytes(b"tool!")
    memo = Memo()
    assert identify("t", "1", [first], memo) == identify("t", "1", [second], memo)
    assert identify("t", "1", [first], memo) != identify("t", "1", [other], memo)
    assert identify("t", "1", [first, other], memo) != identify("t", "1", [other, first], memo)


def test_hash_is_sha256_of_the_bytes(tmp_path: Path) -> None:
    file = tmp_path / "tool"
    file.write_bytes(bytes(range(256)) * 9000)
    assert Memo().sha256(file) == hashlib.sha256(bytes(range(256)) * 9000).hexdigest()


def test_memo_is_used_while_the_file_is_the_same(tmp_path: Path) -> None:
    file, path = tmp_path / "tool", tmp_path / "memo.json"
    file.write_bytes(b"one")
    memo = Memo(path)
    right = memo.sha256(file)
    memo.save()
    # A planted hash shows that the memo answers, and not the file.
    fields = json.loads(path.read_text().replace(right, "planted"))
    path.write_text(json.dumps(fields))
    assert Memo(path).sha256(file) == right, "a memo that was altered is not believed"
    path.write_bytes(seal(fields))
    assert Memo(path).sha256(file) == "planted"
    stat = file.stat()
    file.write_bytes(b"two")
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    assert Memo(path).sha256(file) == hashlib.sha256(b"two").hexdigest()


def test_a_file_put_in_the_place_of_another_is_hashed_again(tmp_path: Path) -> None:
    file, other, memo = tmp_path / "tool", tmp_path / "other", Memo()
    file.write_bytes(b"one")
    other.write_bytes(b"two")
    stat = file.stat()
    memo.sha256(file)
    os.utime(other, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # same size and time, another inode
    other.replace(file)
    assert memo.sha256(file) == hashlib.sha256(b"two").hexdigest()


@pytest.mark.parametrize(
    "garbage",
    ["", "{", "[]", "null", '{"hashes": 3}', '{"hashes": {"a": 1}, "answers": []}', "\x00\xff", '{"hashes": null}'],
)
def test_a_corrupt_memo_is_computed_again_and_mended(tmp_path: Path, garbage: str) -> None:
    file, path = tmp_path / "tool", tmp_path / "memo.json"
    file.write_bytes(b"one")
    path.write_text(garbage, encoding="latin-1")
    memo = Memo(path)
    assert memo.sha256(file) == hashlib.sha256(b"one").hexdigest()
    assert memo.answer("question", lambda: "found") == "found"
    memo.save()
    found = json.loads(path.read_text())
    assert list(found["hashes"].values()) == [hashlib.sha256(b"one").hexdigest()]
    assert found["answers"] == {"question": "found"}


def test_answers_are_asked_for_once(tmp_path: Path) -> None:
    path, asked = tmp_path / "memo.json", list[str]()

    def find() -> str:
        asked.append("once")
        return "found"

    memo = Memo(path)
    assert [memo.answer("q", find), memo.answer("q", find)] == ["found", "found"]
    memo.save()
    assert Memo(path).answer("q", find) == "found"
    assert asked == ["once"]


def test_a_failure_is_not_remembered() -> None:
    def fail() -> str:
        raise ToolError("not yet")

    memo = Memo()
    with pytest.raises(ToolError, match="not yet"):
        memo.answer("q", fail)
    assert memo.answer("q", lambda: "found") == "found"


def test_saving_leaves_one_file_and_nothing_else(tmp_path: Path) -> None:
    memo = Memo(tmp_path / "deep" / "memo.json")
    memo.answer("q", lambda: "a")
    memo.save()
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["memo.json"]


def test_a_memo_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    memo = Memo(tmp_path / "file" / "memo.json")
    memo.answer("q", lambda: "a")
    with pytest.raises(StoreError, match=r"memo\.json cannot be written"):
        memo.save()


def test_a_folder_in_the_place_of_the_memo_stops_nothing(tmp_path: Path) -> None:
    file, path = tmp_path / "tool", tmp_path / "memo.json"
    file.write_bytes(b"one")
    path.mkdir()
    memo = Memo(path)
    assert memo.sha256(file) == hashlib.sha256(b"one").hexdigest()
    memo.save()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["memo.json", "tool"]


def test_a_missing_tool_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="gone cannot be read: No such file"):
        Memo().sha256(tmp_path / "gone")
