"""The store: whole entries or none, verified at every read, one compiler of an entry at a time."""

import multiprocessing
import os
import time
from pathlib import Path

import pytest

from kernelc import history
from kernelc.entry import DamagedEntryError
from kernelc.errors import StoreError
from kernelc.folder import MARKER, default_root, make_store
from kernelc.store import Store
from tests.fixtures.builds import tree

KEY, OTHER = "a" * 64, "b" * 64
FILES = {"kernel.spv": b"code", "meta.json": b"{}"}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def put(store: Store, key: str = KEY) -> Path:
    with store.claim(key):
        store.put(key, FILES)
    return store.root / "entries" / key[:3] / key


def test_what_is_put_is_there(store: Store) -> None:
    assert store.get(KEY) is None
    put(store)
    assert store.get(KEY) == FILES
    assert store.keys() == [KEY]
    assert Store(store.root).get(KEY) == FILES
    assert store.stats().entries == 1
    assert store.stats().temporary == 0


def test_a_flipped_bit_in_any_byte_of_any_file_is_seen(store: Store) -> None:
    folder = put(store)
    for path in folder.iterdir():
        intact = path.read_bytes()
        for i, byte in enumerate(intact):
            path.write_bytes(intact[:i] + bytes([byte ^ 1 << (i % 8)]) + intact[i + 1 :])
            with pytest.raises(DamagedEntryError):
                store.get(KEY)
        path.write_bytes(intact)
    assert store.get(KEY) == FILES


@pytest.mark.parametrize("name", ["kernel.spv", "meta.json", "entry.json"])
def test_a_missing_or_truncated_file_is_seen(store: Store, name: str) -> None:
    path = put(store) / name
    intact = path.read_bytes()
    path.write_bytes(intact[:-1])
    with pytest.raises(DamagedEntryError):
        store.get(KEY)
    path.unlink()
    with pytest.raises(DamagedEntryError):
        store.get(KEY)
    path.mkdir()
    with pytest.raises(DamagedEntryError):
        store.get(KEY)


def test_an_extra_file_or_the_entry_of_another_key_is_seen(store: Store) -> None:
    folder = put(store)
    (folder / "more").write_bytes(b"")
    with pytest.raises(DamagedEntryError, match="more"):
        store.get(KEY)
    (folder / "more").unlink()
    (store.root / "entries" / OTHER[:3]).mkdir()
    os.rename(folder, store.root / "entries" / OTHER[:3] / OTHER)
    with pytest.raises(DamagedEntryError, match="that of"):
        store.get(OTHER)


def test_verify_moves_what_is_damaged_to_quarantine(store: Store) -> None:
    (put(store) / "kernel.spv").write_bytes(b"cofe")
    put(store, OTHER)
    total, damaged = store.verify()
    assert total == 2
    assert list(damaged) == [KEY]
    assert store.get(KEY) is None
    assert store.get(OTHER) == FILES
    assert store.stats().quarantined == 1
    put(store)
    assert store.verify() == (2, {})


def test_gc_removes_what_was_not_used_and_what_is_left_over(store: Store) -> None:
    old = put(store)
    put(store, OTHER)
    (store.root / "tmp" / ("c" * 32)).mkdir()
    (store.root / "tmp" / ("c" * 32) / "kernel.spv").write_bytes(b"co")
    (store.root / "quarantine" / f"{OTHER}-01234567").mkdir()
    long_ago = time.time() - 31 * 86400
    os.utime(old, (long_ago, long_ago))
    entries, size = store.gc(days=30)
    assert (entries, size > 0) == (1, True)
    assert store.keys() == [OTHER]
    assert store.stats().quarantined == store.stats().temporary == 0
    assert store.gc(days=0)[0] == 1
    assert store.keys() == []


def test_a_hit_keeps_an_entry_from_gc(store: Store) -> None:
    folder = put(store)
    long_ago = time.time() - 31 * 86400
    os.utime(folder, (long_ago, long_ago))
    store.get(KEY)
    assert store.gc(days=30) == (0, 0)


def test_gc_waits_for_no_build_and_takes_nothing_from_it(store: Store) -> None:
    with Store(store.root).in_use():
        (store.root / "tmp" / ("c" * 32)).mkdir()
        with pytest.raises(StoreError, match="a build is using it"):
            store.gc(days=0)
        with store.in_use():  # another build: what is in tmp/ may be the first one's
            assert store.stats().temporary == 1
    with store.in_use():  # alone: what is in tmp/ belongs to the dead
        assert store.stats().temporary == 0


def _claim(root: Path, log: Path, number: int) -> None:
    # Written at once, in order: a queue between processes has a thread that writes later.
    with Store(root).claim(KEY), open(log, "a", buffering=1) as lines:
        print(number, file=lines)
        time.sleep(0.05)
        print(number, file=lines)


def test_one_process_at_a_time_holds_a_claim(store: Store) -> None:
    context = multiprocessing.get_context("spawn")
    log = store.root.parent / "log"
    processes = [context.Process(target=_claim, args=(store.root, log, i)) for i in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(30)
    order = [int(line) for line in log.read_text().split()]
    assert order[0::2] == order[1::2], "each enters and leaves before the next enters"
    assert sorted(order[0::2]) == [0, 1, 2, 3]


@pytest.mark.parametrize("place", ["", "tmp", "entries", "quarantine", "history"])
def test_a_file_where_a_folder_should_be_is_one_clear_error(tmp_path: Path, place: str) -> None:
    path = tmp_path / "store" / place
    if place:
        make_store(path.parent)
    path.write_text("in the way")
    with pytest.raises(StoreError, match="a file is where a folder should be") as caught:
        Store(tmp_path / "store")
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_where_an_entry_should_be_is_one_clear_error(store: Store) -> None:
    (store.root / "entries" / KEY[:3]).mkdir()
    (store.root / "entries" / KEY[:3] / KEY).write_text("in the way")
    with pytest.raises(StoreError, match="a file is where a folder should be"):
        store.get(KEY)


def test_where_the_default_store_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERNELC_STORE", "/mine")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert default_root() == Path("/mine")
    monkeypatch.delenv("KERNELC_STORE")
    assert default_root() == Path("/cache/kernelc")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/someone")
    assert default_root() == Path("/home/someone/.cache/kernelc")


def test_history_comes_back_and_a_flipped_bit_is_seen(store: Store) -> None:
    records = {"k": history.Record(KEY, {"source": "1", "format": "1"})}
    assert history.read(store, "m/odd name", "t") == {}
    history.write(store, "m/odd name", "t", records)
    assert history.read(store, "m/odd name", "t") == records
    (path,) = (store.root / "history").iterdir()
    intact = path.read_bytes()
    for i, byte in enumerate(intact):
        path.write_bytes(intact[:i] + bytes([byte ^ 1 << (i % 8)]) + intact[i + 1 :])
        with pytest.raises(history.DamagedHistoryError):
            history.read(store, "m/odd name", "t")


def test_a_user_without_a_home_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KERNELC_STORE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 54321)  # a number that is in no passwd
    with pytest.raises(StoreError, match="set KERNELC_STORE"):
        default_root()


def test_a_folder_with_files_is_not_taken_for_a_store(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    (tmp_path / "tmp" / "mine").write_text("mine")
    for create in (True, False):
        with pytest.raises(StoreError, match="not a store of kernelc; name another with --store"):
            Store(tmp_path, create)
    assert tree(tmp_path) == {"tmp/mine": b"mine"}


def test_an_empty_folder_becomes_a_store_and_a_torn_marker_is_mended(tmp_path: Path) -> None:
    Store(tmp_path)
    whole = (tmp_path / MARKER).read_bytes()
    (tmp_path / MARKER).write_bytes(b"")  # as a process that died there, or a full disk, leaves it
    Store(tmp_path)
    assert (tmp_path / MARKER).read_bytes() == whole
    (tmp_path / MARKER).write_bytes(whole.replace(b"1", b"2"))
    with pytest.raises(StoreError, match="not of this version"):
        Store(tmp_path)


def test_names_that_are_not_of_kernelc_are_left_alone_and_reported(store: Store) -> None:
    put(store)
    mine = ["tmp/mine", "quarantine/mine", "history/.mine", "tools/.mine", "entries/mine", f"entries/{KEY[:3]}/mine"]
    for name in mine:
        (store.root / name).write_text("mine")
    (store.root / "entries" / KEY[:3] / OTHER).write_text("a file where an entry should be")
    with store.in_use():
        assert store.keys() == [KEY]
        assert store.verify() == (1, {})
    assert store.gc(days=0)[0] == 1
    assert set(mine) <= tree(store.root).keys()
    reported = {str(Path(path).relative_to(store.root)) for path in store.stats().strays}
    assert reported == {*mine, f"entries/{KEY[:3]}/{OTHER}"} - {"history/.mine", "tools/.mine"}


def test_what_a_dead_process_was_replacing_is_swept(store: Store) -> None:
    left = store.root / "history" / f".m@t.json.new-{'d' * 32}"
    left.write_text("half")
    with store.in_use():
        assert not left.exists()


def test_a_store_that_is_not_there_is_empty_and_stays_away(tmp_path: Path) -> None:
    store = Store(tmp_path / "none", create=False)
    with store.in_use():
        assert store.get(KEY) is None
        assert (store.keys(), store.verify(), store.gc(0)) == ([], (0, {}), (0, 0))
        assert store.stats().entries == 0
        assert not store.writable
    assert list(tmp_path.iterdir()) == []
