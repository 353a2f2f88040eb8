"""Why a kernel is compiled again, or is not: the parts of its action key against those of its last build."""

import difflib
from dataclasses import dataclass

from kernelc import history
from kernelc.action import Action
from kernelc.assemble import SOURCE
from kernelc.build import actions_of
from kernelc.entry import DamagedEntryError
from kernelc.errors import KernelcError, StoreError
from kernelc.obtain import Request
from kernelc.store import Store


@dataclass(frozen=True, slots=True)
class Change:
    """A part of the key: before ("" where there was none) and now."""

    part: str
    before: str
    now: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """`previous`: the key of the last build, None where there was none. `source`: a diff, if the old one is there."""

    kernel: str
    key: str
    previous: str | None
    stored: bool
    parts: tuple[str, ...]
    changes: tuple[Change, ...]
    source: tuple[str, ...]

    def describe(self) -> dict[str, object]:
        """As plain JSON values."""
        return {
            "kernel": self.kernel,
            "key": self.key,
            "previous": self.previous,
            "stored": self.stored,
            "unchanged": [part for part in self.parts if part not in {change.part for change in self.changes}],
            "changed": {change.part: {"before": change.before, "now": change.now} for change in self.changes},
            "source": list(self.source),
        }

    def __str__(self) -> str:
        lines = [f"{self.kernel}: key {self.key}"]
        if self.previous is None:
            lines.append("never built with this store")
        elif not self.changes:
            lines.append("nothing changed since its last build")
        for change in self.changes:
            lines += [
                f"changed: {change.part}",
                f"  before: {change.before or '(none)'}",
                f"  now:    {change.now or '(none)'}",
            ]
        lines += [f"  {line}" for line in self.source]
        lines.append("its entry is in the store: a build takes it" if self.stored else "a build will compile it")
        return "\n".join(lines)


def explain(request: Request, store: Store) -> Explanation:
    """Explains the one kernel of `request`. KernelcError where its template cannot be rendered, StoreError."""
    actions, failures = actions_of(request)
    if failures:
        raise KernelcError(str(failures[0]))
    act = actions[0]
    try:
        last = history.read(store, str(request.model["name"]), request.target.name).get(act.spec.name)
    except history.DamagedHistoryError as e:
        raise StoreError(f"{e}; the next build writes it anew") from None
    before = last.parts if last else {}
    names = sorted(act.parts.keys() | before.keys())
    changes = [
        Change(name, before.get(name, ""), act.parts.get(name, ""))
        for name in names
        if last and before.get(name) != act.parts.get(name)
    ]
    return Explanation(
        kernel=act.spec.name,
        key=act.key,
        previous=last.key if last else None,
        stored=_source(store, act.key) is not None,
        parts=tuple(names),
        changes=tuple(changes),
        source=_diff(store, act, last.key) if last and any(change.part == "source" for change in changes) else (),
    )


def _diff(store: Store, act: Action, previous: str) -> tuple[str, ...]:
    old = _source(store, previous)
    if old is None:
        return ()
    return tuple(difflib.unified_diff(old.splitlines(), act.source.splitlines(), "before", "now", n=1, lineterm=""))


def _source(store: Store, key: str) -> str | None:
    try:
        files = store.get(key)
    except DamagedEntryError:
        return None  # a build compiles it again
    return None if files is None else files[SOURCE].decode()
