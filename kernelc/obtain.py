"""Kernels that are not in the store: compiled in parallel, each once however many builds want it, and put there."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from kernelc.action import Action, NpuAction
from kernelc.entry import DamagedEntryError
from kernelc.errors import KernelcError
from kernelc.failure import Failure
from kernelc.folder import scratch
from kernelc.kernel import KernelSpec
from kernelc.npu.request import NpuRequest
from kernelc.npu.request import template as npu_template
from kernelc.npu.spec import NpuKernelSpec
from kernelc.render import template_dir
from kernelc.store import Store
from kernelc.target import TargetSpec
from kernelc.toolset import Toolset


@dataclass(frozen=True, slots=True)
class Request:
    """What to build. `model` and `buckets` go into the manifest as they are; in plan order. `npu` None: nothing for the
    NPU."""

    kernels: Sequence[KernelSpec]
    model: Mapping[str, object]
    target: TargetSpec
    buckets: Mapping[str, object]
    tools: Toolset
    templates: Path | None = None  # None: the project's own
    npu: NpuRequest | None = None

    @property
    def specs(self) -> tuple[KernelSpec | NpuKernelSpec, ...]:
        """All kernels, those for the NPU behind the others."""
        return (*self.kernels, *(self.npu.kernels if self.npu else ()))

    @property
    def template_root(self) -> Path:
        return self.templates or template_dir()

    def template(self, spec: KernelSpec | NpuKernelSpec) -> Path:
        """Where the template of a kernel is."""
        if isinstance(spec, KernelSpec):
            return self.template_root / "glsl" / f"{spec.family}.comp.j2"
        return npu_template(spec, self.template_root)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one action: its files, or why there are none. `fatal` is no fault of the kernel and ends the build."""

    files: dict[str, bytes] | None = None
    compiled: bool = False
    note: str | None = None
    failure: Failure | None = None
    fatal: KernelcError | None = None


def obtain_all(
    actions: Sequence[Action | NpuAction], store: Store, request: Request, jobs: int
) -> Generator[tuple[Action | NpuAction, Outcome]]:
    """Yields the outcome of each action as it is there, from at most `jobs` processes. Closing it ends them."""
    if not actions:
        return
    from kernelc import pool  # late: a build that compiles nothing starts no process

    def work(act: Action | NpuAction) -> Outcome:
        return obtain(act, store, request)

    with closing(pool.run(work, actions, max(1, min(jobs, len(actions))))) as results:
        for index, outcome in results:
            act = actions[index]
            if isinstance(outcome, pool.Died):
                message = f"the process that compiled it {outcome.cause}"
                yield act, Outcome(failure=Failure(act.spec.name, str(request.template(act.spec)), 0, "", message))
            else:
                yield act, outcome


def obtain(act: Action | NpuAction, store: Store, request: Request) -> Outcome:
    """Takes the entry's lock, looks again, and compiles where there still is none."""
    from kernelc.toolchain.errors import CompileError

    note = None
    try:
        with store.claim(act.key):
            try:
                files = store.get(act.key)
            except DamagedEntryError as e:
                aside = store.quarantine(act.key)
                note = f"store entry of {act.spec.name} was damaged ({e}); moved to {aside} and built again"
                files = None
            if files is not None:
                return Outcome(files)
            files = _compile(act, store, request)
            store.put(act.key, files)
            return Outcome(files, compiled=True, note=note)
    except CompileError as e:
        failure = Failure(act.spec.name, str(request.template(act.spec)), e.line, e.text, e.message)
        return Outcome(failure=failure, note=note)
    except KernelcError as e:
        return Outcome(fatal=e, note=note)


def _compile(act: Action | NpuAction, store: Store, request: Request) -> dict[str, bytes]:
    # The imports are late: they load the compilers.
    if isinstance(act, Action):
        from kernelc.compile import compile_entry

        return compile_entry(act, request.target, request.tools)
    from kernelc.npu.compile import compile_design

    assert request.npu is not None  # it has the action's kernel
    with scratch(store.tmp) as folder:
        return compile_design(act, request.npu.tools, folder)
