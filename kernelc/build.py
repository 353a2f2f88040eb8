"""Runs a plan: takes what is in the store, compiles the rest in parallel, and makes a bundle of it all."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from jinja2 import TemplateError

from kernelc import history
from kernelc.action import Action, NpuAction, action, npu_action
from kernelc.assemble import entry_of
from kernelc.entry import DamagedEntryError
from kernelc.errors import StoreError
from kernelc.failure import Failure, render_failure
from kernelc.kernel import KernelSpec
from kernelc.npu.entry import npu_entry_of
from kernelc.npu.render import render as render_npu
from kernelc.npu.spec import NpuKernelSpec
from kernelc.obtain import Request, obtain_all
from kernelc.render import render
from kernelc.store import Store
from kernelrt import bundle
from kernelrt.abi import KernelEntry, NpuEntry
from kernelrt.errors import BundleWriteError
from kernelrt.manifest import Manifest


class Report(Protocol):
    """Who is told how a build goes."""

    def begin(self, total: int, to_compile: int) -> None: ...
    def done(self, kernel: str, state: str) -> None: ...
    def note(self, message: str) -> None: ...
    def end(self) -> None: ...


@dataclass(frozen=True, slots=True)
class BuildResult:
    """What a build did. `bundles`: where bundles now are (none where a kernel failed, or when none was asked for)."""

    bundles: tuple[Path, ...]
    total: int
    compiled: int
    cached: int
    failures: tuple[Failure, ...]
    seconds: float

    def describe(self) -> dict[str, object]:
        """As plain JSON values."""
        return {
            "bundle": str(self.bundles[0]) if self.bundles else None,
            "bundles": [str(path) for path in self.bundles],
            "kernels": {
                "total": self.total,
                "compiled": self.compiled,
                "cached": self.cached,
                "failed": len(self.failures),
            },
            "seconds": round(self.seconds, 3),
            "failures": [asdict(failure) for failure in self.failures],
        }

    def summary(self) -> str:
        """In one line."""
        where = ", ".join(str(path) for path in self.bundles) or "no bundle written"
        counts = f"{self.compiled} compiled, {self.cached} cached, {len(self.failures)} failed"
        return f"{where}: {self.total} kernels: {counts}; {self.seconds:.2f} s"


def actions_of(request: Request) -> tuple[list[Action | NpuAction], list[Failure]]:
    """The action of each kernel in plan order, and the kernels whose template cannot be rendered."""
    actions: list[Action | NpuAction] = []
    failures: list[Failure] = []
    for spec in request.specs:
        try:
            actions.append(_action(spec, request))
        except TemplateError as e:
            failures.append(render_failure(spec.name, request.template(spec), request.template_root, e))
    return actions, failures


def _action(spec: KernelSpec | NpuKernelSpec, request: Request) -> Action | NpuAction:
    if isinstance(spec, KernelSpec):
        source, tools = render(spec, request.templates), request.tools
        return action(spec, source, request.target, tools.identities, tools.flags)
    assert request.npu is not None  # it has the kernel
    source, npu = render_npu(spec, request.templates), request.npu
    return npu_action(spec, source, npu.device, npu.tools.identities, npu.tools.flags)


def build(request: Request, store: Store, outputs: Sequence[Path], jobs: int, report: Report) -> BuildResult:
    """Builds every kernel and, when all are there, writes the bundle to each of `outputs`.

    Kernels that fail are in the result and do not stop the others. Raises StoreError and ToolError. However it ends, by
    a signal's exception too, each output was not touched or was replaced whole. The caller holds `store.in_use()`.
    """
    start = time.monotonic()
    actions, failures = actions_of(request)
    found, notes = _lookup(store, actions)
    for note in notes:
        report.note(note)
    missing = list({a.key: a for a in actions if a.key not in found}.values())
    if missing and not store.writable:
        raise StoreError(
            f"store {store.root}: read-only, and {len(missing)} of {len(actions)} kernels are not in it "
            f"({missing[0].spec.name}, …); give a writable place with --store"
        )
    report.begin(len(request.specs), len(missing))
    compiled = 0
    outcomes = obtain_all(missing, store, request, jobs)
    try:
        for act, outcome in outcomes:
            if outcome.note:
                report.note(outcome.note)
            if outcome.fatal:
                raise outcome.fatal
            if outcome.failure:
                failures.extend(outcome.failure.of(a.spec.name) for a in actions if a.key == act.key)
            if outcome.files:
                found[act.key] = outcome.files
            compiled += outcome.compiled
            state = "failed" if outcome.failure else "compiled" if outcome.compiled else "cached"
            report.done(act.spec.name, state)
    finally:
        outcomes.close()  # ends the workers, whatever happened
        report.end()
    _remember(store, request, [a for a in actions if a.key in found], report)
    order = {spec.name: i for i, spec in enumerate(request.specs)}
    failures.sort(key=lambda failure: order[failure.kernel])
    written: tuple[Path, ...] = ()
    if not failures and outputs:
        result = assemble(request, [(a, found[a.key]) for a in actions])
        written = tuple(_write(path, result) for path in outputs)
    total = len(request.specs)
    seconds = time.monotonic() - start
    return BuildResult(written, total, compiled, total - compiled - len(failures), tuple(failures), seconds)


def assemble(request: Request, built: Iterable[tuple[Action | NpuAction, Mapping[str, bytes]]]) -> bundle.Bundle:
    """The bundle of these kernels, in their order."""
    kernels: list[KernelEntry] = []
    npu_kernels: list[NpuEntry] = []
    contents: dict[str, bytes] = {}
    for act, files in built:
        if isinstance(act, Action):
            entry, own = entry_of(act.spec, files)
            kernels.append(entry)
        else:
            npu_entry, own = npu_entry_of(act.spec, files)
            npu_kernels.append(npu_entry)
        contents.update(own)
    manifest = Manifest(
        model=dict(request.model),
        target=request.target.describe(),
        buckets=dict(request.buckets),
        tools={**request.tools.identities, **(request.npu.tools.identities if request.npu else {})},
        kernels=tuple(kernels),
        npu_kernels=tuple(npu_kernels),
    )
    return bundle.Bundle(manifest, contents)


def _lookup(store: Store, actions: Sequence[Action | NpuAction]) -> tuple[dict[str, dict[str, bytes]], list[str]]:
    found: dict[str, dict[str, bytes]] = {}
    notes: list[str] = []
    for act in actions:
        if act.key in found:
            continue
        try:
            files = store.get(act.key)
        except DamagedEntryError as e:
            if not store.writable:
                notes.append(f"store entry of {act.spec.name} is damaged ({e})")
            continue  # the worker that takes it over looks again under the entry's lock
        if files is not None:
            found[act.key] = files
    return found, notes


def _remember(store: Store, request: Request, actions: Sequence[Action | NpuAction], report: Report) -> None:
    """Keeps the key parts for `kernelc explain`. A read-only store keeps none: it changes nothing of the build."""
    if not store.writable:
        return
    model, target = str(request.model["name"]), request.target.name
    try:
        records = history.read(store, model, target)
    except history.DamagedHistoryError as e:
        report.note(f"{e}; written anew")
        records = {}
    fresh = records | {a.spec.name: history.Record(a.key, a.parts) for a in actions}
    if fresh != records:
        history.write(store, model, target, fresh)


def _write(path: Path, result: bundle.Bundle) -> Path:
    try:
        bundle.write(path, result)
    except BundleWriteError as e:
        raise StoreError(str(e)) from e
    return path
