"""Why a kernel is compiled again, or is not: the parts of its action key against those of its last build."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from kernelc import history
from kernelc.action import Action, NpuAction
from kernelc.assemble import SOURCE
from kernelc.build import actions_of
from kernelc.entry import DamagedEntryError
from kernelc.errors import KernelcError, StoreError
from kernelc.npu.entry import DESIGN
from kernelc.obtain import Request
from kernelc.store import Store


@dataclass(frozen=True, slots=True)
class Change:
    """A part of the key: before ("" where there was none) and now."""

    part: str
    before: str
    now: str


# Where the entry of the key is: "gone" where a build put it there and it is there no more.
State = Literal["stored", "damaged", "gone", "absent"]
_WORDS: Mapping[State, str] = {
    "stored": "its entry is in the store: a build takes it",
    "damaged": "its entry is damaged: a build will compile it",
    "gone": "its entry is no longer in the store (`kernelc cache gc` removed it, or `verify`): a build will compile it",
    "absent": "a build will compile it",
}


@dataclass(frozen=True, slots=True)
class Explanation:
    """`previous`: the key of the last build, None where there was none. `source`: a diff, if the old one is there."""

    kernel: str
    key: str
    previous: str | None
    state: State
    parts: tuple[str, ...]
    changes: tuple[Change, ...]
    source: tuple[str, ...]

    @property
    def stored(self) -> bool:
        return self.state == "stored"

    def describe(self) -> dict[str, object]:
        """As plain JSON values."""
        return {
            "kernel": self.kernel,
            "key": self.key,
            "previous": self.previous,
            "stored": self.stored,
            "entry": self.state,
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
        lines.append(_WORDS[self.state])
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
        state=_state(store, act.key, last is not None and last.key == act.key),
        parts=tuple(names),
        changes=tuple(changes),
        source=_diff(store, act, last.key) if last and any(change.part == "source" for change in changes) else (),
    )


def _state(store: Store, key: str, built: bool) -> State:
    try:
        if store.get(key) is not None:
            return "stored"
    except DamagedEntryError:
        return "damaged"
    return "gone" if built else "absent"


def _diff(store: Store, act: Action | NpuAction, previous: str) -> tuple[str, ...]:
    old = _source(store, previous, SOURCE if isinstance(act, Action) else DESIGN)
    if old is None:
        return ()
    return tuple(difflib.unified_diff(old.splitlines(), act.source.splitlines(), "before", "now", n=1, lineterm=""))


def _source(store: Store, key: str, file: str) -> str | None:
    try:
        files = store.get(key)
    except DamagedEntryError:
        return None  # a build compiles it again
    if files is None:
        return None
    try:
        return files[file].decode()
    except (KeyError, UnicodeDecodeError):
        advice = "empty the store with `kernelc cache gc --days 0` and build again"
        raise StoreError(f"store entry {key}: no build writes this (no {file}); {advice}") from None
