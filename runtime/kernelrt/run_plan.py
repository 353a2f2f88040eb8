"""What a run will do on a device, before anything is allocated there: its calls, its buffers, their memory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, cast

from kernelrt.abi import KernelEntry
from kernelrt.bundle import Bundle
from kernelrt.calls import PARAMS, Call, call, sizes
from kernelrt.errors import InputError, ManifestError
from kernelrt.gemma import Finish, Gemma
from kernelrt.gpu.device import Device
from kernelrt.gpu.features import DeviceInfo
from kernelrt.gpu.placement import Item, Placement, Use, place
from kernelrt.kernels import Kernels
from kernelrt.model import LayerKind, ModelSpec
from kernelrt.npu.offload import Attention, find_attention, in_lane
from kernelrt.params import NBYTES
from kernelrt.weights.slots import Formats

_SCRATCH = "scratch"
LANES = 2  # prefill chunks that are under way together where attention is the NPU's
RING = 4  # staging buffers: one is read into, one is being uploaded, and either may be late
_STAGING = 64 << 20  # bytes of a staging buffer at the most
_PREFILL_ROWS = (32, 128)  # prefill is recorded for these sizes too, so that a short prompt costs no whole chunk


Where = Literal["gpu", "npu", "auto"]


@dataclass(frozen=True, slots=True)
class SplitPlan:
    """Prefill with attention on the NPU: its kernels by the kind of layer, and the GPU's segments by rows and lane."""

    attention: Mapping[LayerKind, Attention]
    segments: Mapping[int, Sequence[Sequence[Sequence[Call]]]]

    @property
    def calls(self) -> tuple[Call, ...]:
        return tuple(each for lanes in self.segments.values() for lane in lanes for segment in lane for each in segment)


@dataclass(frozen=True, slots=True)
class Options:
    """How a bundle is to run.

    `device`: an index or a part of a name (None: the best). `context`: tokens that a sequence must hold (None: the
    bundle's largest). `batch`: sequences decoded together. `scratch`: bytes of one more buffer, for measurements.
    `exact`: products in f32, also where matrix units would compute them faster from fp16 operands. `attention`: "npu"
    (XRT, or the simulator where there is none), "gpu", or "auto": an NPU that is there, else the GPU.
    """

    device: str | None = None
    context: int | None = None
    batch: int = 1
    scratch: int = 0
    exact: bool = False
    attention: Where = "gpu"


@dataclass(frozen=True, slots=True)
class RunPlan:
    """The programs of a run and the buffers that they need.

    `capacity` is the KV cache of a sequence in tokens, `slots` how many sequences there are. `repack` and `load` are
    for loading. `prefill` and `decode` are the calls by the most rows that they serve, without the end; `finish` what
    comes last, by rows and kind. `measure` reads the scratch buffer, where there is one.
    """

    model: ModelSpec
    formats: Formats
    capacity: int
    slots: int
    repack: tuple[KernelEntry, ...]
    load: tuple[Call, ...]
    prefill: dict[int, tuple[Call, ...]]
    decode: dict[int, tuple[Call, ...]]
    finish: dict[tuple[int, Finish], tuple[Call, ...]]
    measure: Call | None
    split: SplitPlan | None
    items: tuple[Item, ...]

    @property
    def calls(self) -> tuple[Call, ...]:
        """Every call, in no order of execution."""
        groups = (*self.prefill.values(), *self.decode.values(), *self.finish.values())
        measures = (self.measure,) if self.measure else ()
        split = self.split.calls if self.split else ()
        return (*self.load, *measures, *split, *(each for group in groups for each in group))

    def place(self, device: Device) -> Placement:
        """The memory of every buffer. Raises OutOfMemoryError, with the numbers."""
        return place(self.items, device.memory, device.info.max_storage_range, device.info.name)


def plan_run(bundle: Bundle, device: DeviceInfo, options: Options) -> RunPlan:
    """Plans a run of a bundle on a device; attention is the NPU's where the options say "npu".

    Raises InputError where the bundle has no bucket for the options, UnfitDeviceError where the device cannot run it.
    """
    model = model_of(bundle)
    capacity = _bucket(bundle, "seq", options.context, "--context")
    largest = _bucket(bundle, "batch", options.batch, "--batch")
    gemma = Gemma(model, Kernels(bundle.kernels, device), capacity, options.exact)
    batches = [size for size in bucket_sizes(bundle, "batch") if size <= largest]
    chunk = gemma.chunk
    kinds: tuple[Finish, Finish] = ("greedy", "sampled")
    prefill = {rows: tuple(gemma.prefill(rows)) for rows in (*(r for r in _PREFILL_ROWS if r < chunk), chunk)}
    decode = {rows: tuple(gemma.decode(rows)) for rows in batches}
    # A prompt's end is a finish of one row, whatever the batches are.
    ends: list[tuple[int, Finish]] = [(rows, how) for rows in sorted({1, *batches}) for how in kinds]
    finish = {end: tuple(gemma.finish(*end)) for end in ends}
    load = tuple(gemma.load())
    split = _split(bundle, gemma) if options.attention == "npu" else None
    groups = (load, *prefill.values(), *decode.values(), *finish.values(), split.calls if split else ())
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
        decode=decode,
        finish=finish,
        measure=measure,
        split=split,
        items=_items(needs, device.unified) + (_measured(measure, options.scratch) if measure else ()),
    )


def _split(bundle: Bundle, gemma: Gemma) -> SplitPlan:
    attention = find_attention(bundle.manifest.npu_kernels, gemma.model, gemma.capacity, gemma.chunk)
    rings: dict[LayerKind, int] = {kind: each.chunk.capacity for kind, each in attention.items()}
    sizes = (*(rows for rows in _PREFILL_ROWS if rows < gemma.chunk), gemma.chunk)
    return SplitPlan(attention, {rows: [_in_lane(gemma, rows, rings, lane) for lane in range(LANES)] for rows in sizes})


def _in_lane(gemma: Gemma, rows: int, rings: Mapping[LayerKind, int], lane: int) -> list[list[Call]]:
    """The segments with the inputs and activations of a lane."""

    def renamed(name: str) -> str:
        own = category(name) in ("inputs", "activations") and name not in _SHARED and not name.startswith("rope.")
        return in_lane(name, lane) if own else name

    return [
        [replace(each, buffers=tuple(renamed(name) for name in each.buffers)) for each in segment]
        for segment in gemma.split_prefill(rows, rings)
    ]


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


_INPUTS = (PARAMS, "tokens")
_SHARED = ("zero", "seen")  # what chunks that are under way together may share
_ORDER = ("inputs", "results", "staging", "activations", "KV cache", "weights")


def category(name: str) -> str:
    """What a person calls a buffer's contents."""
    name = name.partition("@")[0]
    head, _, tail = name.partition(".")
    if name in _INPUTS:
        return "inputs"
    if name == "next":
        return "results"
    if head.isdecimal():
        return "KV cache" if tail in ("k", "v") else "weights"
    return "weights" if head in ("embedding", "final_norm", "ones") else "activations"


def _items(needs: Mapping[str, int], unified: bool) -> tuple[Item, ...]:
    """The buffers in the order in which they get the device's own memory: weights last, for there is most of them."""
    uses: dict[str, Use] = {"inputs": "upload", "results": "readback"}
    # What begins with npu_ is the NPU's own memory.
    items = [
        Item(name, category(name), nbytes, uses.get(category(name), "device"))
        for name, nbytes in needs.items()
        if not name.startswith("npu_")
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
