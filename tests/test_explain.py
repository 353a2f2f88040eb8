"""What `kernelc explain` says of an entry that is gone, damaged or of no build."""

from pathlib import Path

import pytest

from kernelc.assemble import SOURCE
from kernelc.errors import StoreError
from kernelc.explain import explain
from kernelc.store import Store
from tests.fixtures.builds import request, run
from tests.fixtures.plan import scale


def test_where_the_entry_is(tmp_path: Path) -> None:
    store, wanted = Store(tmp_path), request([scale(64)])
    assert explain(wanted, store).state == "absent"
    run([scale(64)], tmp_path)
    assert explain(wanted, store).state == "stored"
    victim = next(tmp_path.glob("entries/*/*/kernel.spv"))
    victim.write_bytes(b"")
    assert explain(wanted, store).state == "damaged"
    assert "damaged: a build will compile it" in str(explain(wanted, store))
    assert store.gc(days=0)[0] == 1
    found = explain(wanted, store)
    assert (found.state, found.changes) == ("gone", ())
    assert "`kernelc cache gc` removed it" in str(found)
    assert found.describe()["entry"] == "gone"


@pytest.mark.parametrize("source", [None, b"\xff"])
def test_an_entry_that_no_build_writes_is_one_clear_error(tmp_path: Path, source: bytes | None) -> None:
    store, old, new = Store(tmp_path), scale(64, factor=3, name="k"), scale(128, factor=3, name="k")
    run([old], tmp_path)
    (key,) = store.keys()
    files = store.get(key)
    assert files is not None
    store.quarantine(key)
    others = {name: data for name, data in files.items() if name != SOURCE}
    store.put(key, others if source is None else {**others, SOURCE: source})  # sealed: it passes the store's check
    with pytest.raises(StoreError, match=r"no build writes this .*cache gc --days 0") as caught:
        explain(request([new]), store)
    assert "\n" not in str(caught.value)
