"""What a run will do on a device, before anything is allocated there: its calls, its buffers, their memory."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import cast

from kernelrt.abi import KernelEntry
from kernelrt.buffers import TURNS, category, in_turn, of_npu
from kernelrt.bundle import Bundle
from kernelrt.calls import Call, call, renamed, sizes
from kernelrt.errors import InputError, ManifestError
from kernelrt.gemma import Finish, Gemma
from kernelrt.gpu.device import Device
from kernelrt.gpu.features import DeviceInfo
from kernelrt.gpu.placement import Item, Placement, Use, place
from kernelrt.kernels import Kernels
from kernelrt.model import ModelSpec
from kernelrt.params import NBYTES
from kernelrt.split_plan import NpuKernels, SplitPlan, plan_split
from kernelrt.weights.slots import Formats
from kernelrt.where import Phases

_SCRATCH = "scratch"
RING = 4  # staging buffers: one is read into, one is being uploaded, and either may be late
_STAGING = 64 << 20  # bytes of a staging buffer at the most
_PREFILL_ROWS = (32, 128, 512)  # prefill is recorded for these sizes too, so that a short prompt costs no whole chunk


@dataclass(frozen=True, slots=True)
class Options:
    """How a bundle is to run.

    `device`: an index or a part of a name (None: the best). `context`: tokens that a sequence must hold (None: the
    bundle's largest). `batch`: sequences decoded together. `scratch`: bytes of one more buffer, for measurements.
    `exact`: products of many rows in f32, also where matrix units would compute them faster from fp16 operands.
    `attention`: on which device, in each phase.
    """

    device: str | None = None
    context: int | None = None
    batch: int = 1
    scratch: int = 0
    exact: bool = False
    attention: Phases = field(default=Phases())


@dataclass(frozen=True, slots=True)
class Turn:
    """The decode steps of the GPU alone on the buffers of one turn (kernelrt.buffers.in_turn): the layers by the most
    rows that they serve, and the ends by rows and kind.
    """

    decode: dict[int, tuple[Call, ...]]
    finish: dict[tuple[int, Finish], tuple[Call, ...]]

    @property
    def calls(self) -> tuple[Call, ...]:
        return tuple(each for group in (*self.decode.values(), *self.finish.values()) for each in group)


@dataclass(frozen=True, slots=True)
class RunPlan:
    """The programs of a run and the buffers that they need.

    `capacity` is the KV cache of a sequence in tokens, `slots` how many sequences there are. `repack` and `load` are
    for loading. `prefill` are the calls by the most rows that they serve, without the end; `finish` what comes last of
    a prompt, and of a step with the NPU, by rows and kind; `turns` are the steps of the GPU alone. `count` counts the
    tokens of a chunk for a repetition penalty. `measure` reads the scratch buffer, where there is one. `split` is the
    NPU's part, and `notes` what the user should know of it.
    """

    model: ModelSpec
    formats: Formats
    capacity: int
    slots: int
    repack: tuple[KernelEntry, ...]
    load: tuple[Call, ...]
    prefill: dict[int, tuple[Call, ...]]
    finish: dict[tuple[int, Finish], tuple[Call, ...]]
    turns: tuple[Turn, ...]
    count: Call
    measure: Call | None
    split: SplitPlan
    notes: tuple[str, ...]
    items: tuple[Item, ...]

    @property
    def decode(self) -> dict[int, tuple[Call, ...]]:
        """The calls of a step by the most rows that they serve, without the end. Turns differ in buffers alone."""
        return self.turns[0].decode

    @property
    def calls(self) -> tuple[Call, ...]:
        """Every call, in no order of execution."""
        groups = (*self.prefill.values(), *self.finish.values(), *(turn.calls for turn in self.turns))
        single = (self.count, self.measure) if self.measure else (self.count,)
        return (*self.load, *single, *self.split.calls, *(each for group in groups for each in group))

    def place(self, device: Device) -> Placement:
        """The memory of every buffer. Raises OutOfMemoryError, with the numbers."""
        return place(self.items, device.memory, device.info.max_storage_range, device.info.name)


def plan_run(bundle: Bundle, device: DeviceInfo, options: Options) -> RunPlan:
    """Plans a run of a bundle on a device. Attention is the NPU's where the options say "npu", and for "auto" where the
    bundle has the kernels: whether there is an NPU is known before (kernelrt.npu.choose).

    Raises InputError where the bundle has no bucket for the options, UnfitDeviceError where the device cannot run it.
    """
    model = model_of(bundle)
    capacity = _bucket(bundle, "seq", options.context, "--context")
    largest = _bucket(bundle, "batch", options.batch, "--batch")
    gemma = Gemma(model, Kernels(bundle.kernels, device), capacity, options.exact)
    npu = NpuKernels.of(bundle.manifest.npu_kernels, gemma, options.attention)
    gemma = replace(gemma, npu_rings={kind: each.ring.keys for kind, each in npu.decode.items()})
    batches = [size for size in bucket_sizes(bundle, "batch") if size <= largest]
    chunk = gemma.chunk
    kinds: tuple[Finish, Finish] = ("greedy", "sampled")
    chunks = (*(rows for rows in _PREFILL_ROWS if rows < chunk), chunk)
    prefill = {rows: tuple(gemma.prefill(rows)) for rows in chunks}
    # A prompt's end is a finish of one row, whatever the batches are.
    ends: list[tuple[int, Finish]] = [(rows, how) for rows in sorted({1, *batches}) for how in kinds]
    finish = {end: tuple(gemma.finish(*end)) for end in ends}
    decode = {rows: gemma.decode(rows) for rows in batches}
    turns = tuple(_turn(decode, finish, partial(in_turn, turn=turn)) for turn in range(TURNS))
    load, count = tuple(gemma.load()), gemma.count(chunk)
    split = plan_split(gemma, npu, chunks, batches, options.batch)
    groups = (load, *prefill.values(), *finish.values(), *(turn.calls for turn in turns), split.calls, (count,))
    measure = call(gemma.kernels.find("bandwidth"), 1, words=_SCRATCH) if options.scratch else None
    needs = sizes((each for group in groups for each in group), options.batch)
    formats = bundle.manifest.buckets
    return RunPlan(
        model=model,
        formats=Formats(str(formats["quant"]), str(formats["embedding"])),
        capacity=capacity,
        slots=options.batch,
        repack=gemma.kernels.all("repack"),
        load=load,
        prefill=prefill,
        finish=finish,
        turns=turns,
        count=count,
        measure=measure,
        split=split,
        notes=npu.notes,
        items=_items(needs, device.unified) + (_measured(measure, options.scratch) if measure else ()),
    )


def _turn(
    decode: Mapping[int, Sequence[Call]],
    finish: Mapping[tuple[int, Finish], Sequence[Call]],
    name: Callable[[str], str],
) -> Turn:
    """The same steps on the buffers that `name` names."""
    ends = {end: renamed(calls, name) for end, calls in finish.items() if end[0] in decode}
    return Turn({rows: renamed(calls, name) for rows, calls in decode.items()}, ends)


def model_of(bundle: Bundle) -> ModelSpec:
    """The model that a bundle was built for. Raises ManifestError where its fields are none."""
    try:
        return ModelSpec(**bundle.manifest.model)  # pyright: ignore[reportArgumentType]  # it checks every type itself
    except (InputError, TypeError) as error:
        raise ManifestError(f"manifest.json: model: {error}; build the bundle again") from None


def bucket_sizes(bundle: Bundle, name: str) -> list[int]:
    """The sizes ("seq" or "batch") that a bundle was built for, rising. Raises ManifestError where it has none."""
    found = bundle.manifest.buckets.get(name)
    if not isinstance(found, list) or not found or not all(isinstance(size, int) for size in cast(list[object], found)):
        raise ManifestError(f"manifest.json: buckets.{name}: expected sizes; build the bundle again")
    return sorted(cast(list[int], found))


def _bucket(bundle: Bundle, name: str, wanted: int | None, option: str) -> int:
    """The smallest bucket that holds what is wanted; the largest for None."""
    known = bucket_sizes(bundle, name)
    if wanted is None:
        return known[-1]
    if wanted < 1:
        raise InputError(f"{option}: {wanted} is below 1")
    for size in known:
        if size >= wanted:
            return size
    raise InputError(
        f"{option}: {wanted} is more than the bundle's {known[-1]}; build one with `kernelc build --{name} {wanted}`"
    )


_ORDER = ("inputs", "results", "staging", "activations", "KV cache", "weights")


def _items(needs: Mapping[str, int], unified: bool) -> tuple[Item, ...]:
    """The buffers in the order in which they get the device's own memory: weights last, for there is most of them."""
    uses: dict[str, Use] = {"inputs": "upload", "results": "readback"}
    items = [
        Item(name, category(name), nbytes, uses.get(category(name), "device"))
        for name, nbytes in needs.items()
        if not of_npu(name)
    ]
    # The logits leave through the first staging buffer.
    largest = max(item.nbytes for item in items if item.category == "weights")
    ring = max(min(_STAGING, largest), needs["logits"])
    items += [Item(f"staging.{i}", "staging", ring, "staging") for i in range(RING)]
    if not unified:  # there a kernel would read the host's memory over the bus, in small pieces
        items += [Item(f"staging.{i}.raw", "staging", ring) for i in range(RING)]
    items += [Item(f"staging.{i}.params", "staging", NBYTES, "upload") for i in range(RING)]
    return tuple(sorted(items, key=lambda item: _ORDER.index(item.category)))


def _measured(measure: Call, scratch: int) -> tuple[Item, ...]:
    sums = measure.kernel.bindings[1]
    return Item(_SCRATCH, "measurement", scratch), Item(measure.buffers[1], "measurement", sums.nbytes())


def totals(items: Sequence[Item]) -> dict[str, int]:
    """Bytes by category."""
    found: dict[str, int] = {}
    for item in items:
        found[item.category] = found.get(item.category, 0) + item.nbytes
    return found
