"""The file of a search: for what, where and how its figures came about, all of them, and the sizes chosen.

A build reads it beside the target: the chosen sizes take the place of those in the target's [tune] table.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal, cast

from kernelc.buckets import Buckets
from kernelc.target import TargetSpec
from kernelrt.atomic import replace_file
from kernelrt.errors import FileError, InputError
from kernelrt.jsonio import JsonError, Node, canonical_lines, parse
from kernelrt.model import ModelSpec
from kernelrt.specfile import FieldError, builtin, read_bytes

SCHEMA = 1
Level = Literal["measured", "modelled"]
_TARGETS = Path(__file__).resolve().parents[1] / "targets"
_SHAPE = ("hidden", "ffn", "heads", "kv_heads", "head_dim")  # what sizes depend on; not how many layers or tokens


@dataclass(frozen=True, slots=True)
class Subject:
    """What a search is for (`shape`: of the model, whatever its name) and how its figures come about.

    `device` and `driver` are those that ran the kernels (measured), or compiled them (modelled).
    """

    target: str
    model: str
    shape: Mapping[str, int]
    quant: str
    embedding: str
    level: Level
    device: str
    driver: str

    @staticmethod
    def of(model: ModelSpec, target: TargetSpec, buckets: Buckets, level: Level, device: str, driver: str) -> "Subject":
        shape = {name: int(getattr(model, name)) for name in _SHAPE}
        return Subject(target.name, model.name, shape, buckets.quant, buckets.embedding, level, device, driver)


@dataclass(frozen=True, slots=True)
class Figure:
    """One set of sizes: microseconds of each kernel, or why the plan, the compiler or the device refuses them."""

    tune: Mapping[str, int]
    microseconds: Mapping[str, float]
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Batch:
    """Sets of sizes that ran against each other, the incumbent first. `key`: SHA-256 of all that was run."""

    key: str
    group: str
    figures: tuple[Figure, ...]


@dataclass(frozen=True, slots=True)
class Tuning:
    """What a search has found so far; `complete`: there is nothing left to try."""

    subject: Subject
    complete: bool = False
    chosen: Mapping[str, int] | None = None
    batches: tuple[Batch, ...] = ()

    def find(self, key: str) -> Batch | None:
        return next((batch for batch in self.batches if batch.key == key), None)

    def write(self, path: Path) -> None:
        """Puts the file in place whole. FileError where that cannot be."""
        fields: dict[str, object] = {"schema": SCHEMA, **asdict(self.subject), "chosen": dict(self.chosen or {})}
        batches = [
            {"key": batch.key, "group": batch.group, "figures": [asdict(figure) for figure in batch.figures]}
            for batch in self.batches
        ]
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(path, canonical_lines({**fields, "complete": self.complete, "batches": batches}))
        except OSError as e:
            raise FileError(f"{path}: cannot be written: {e.strerror}") from e

    @staticmethod
    def read(path: Path) -> "Tuning":
        """The file at `path`. InputError where it is none that this version writes."""
        try:
            return _tuning(parse(read_bytes(path), str(path)))
        except JsonError as e:
            raise InputError(f"{e}; `kernelc tune` makes such files") from None

    def applied(self, path: Path, model: ModelSpec, target: TargetSpec, buckets: Buckets) -> TargetSpec:
        """The target with the chosen sizes. InputError where the file, which lies at `path`, is for something else."""
        wanted = Subject.of(model, target, buckets, "measured", "", "")
        of_model = (self.subject.model, self.subject.shape)
        for what, found, asked in (
            ("target", self.subject.target, wanted.target),
            ("model", *(("", "") if of_model[1] == wanted.shape else (of_model[0], wanted.model))),
            ("--quant", self.subject.quant, wanted.quant),
            ("--embedding-quant", self.subject.embedding, wanted.embedding),
        ):
            if found != asked:
                raise InputError(f"{path}: tuned for {what} {found}, not {asked}; `kernelc tune` makes one for it")
            if what == "model" and of_model[1] != wanted.shape:  # of the same name
                raise InputError(
                    f"{path}: tuned for another shape of the model {found}; `kernelc tune` makes one for it"
                )
        try:
            return replace(target, tune={**target.tune, **(self.chosen or {})})
        except FieldError as error:
            raise error.located(path, error.field.replace("tune", "chosen", 1)) from None


def beside(name: str, model: ModelSpec, target: TargetSpec, buckets: Buckets) -> Path | None:
    """The file for these in the folder `tuning` beside that of the target `name` (as TargetSpec.load takes it), where
    there is one. InputError where a file of the target's there is none."""
    target_file = builtin("target", _TARGETS, name, (".toml",))
    wanted = Subject.of(model, target, buckets, "measured", "", "")
    for path in sorted((target_file.parent / "tuning").glob(f"{target.name}-*.json")):
        found = Tuning.read(path).subject
        if replace(wanted, model=found.model, level=found.level, device=found.device, driver=found.driver) == found:
            return path
    return None


def _tuning(root: Node) -> Tuning:
    schema = root.members().get("schema")
    if schema is not None and schema.value != SCHEMA:
        raise JsonError(f"{root.where}: schema {schema.value!r}; this version knows {SCHEMA}")
    texts = ("target", "model", "quant", "embedding", "device", "driver")
    fields = root.members("schema", *texts, "shape", "level", "complete", "chosen", "batches")
    if not isinstance(fields["complete"].value, bool):
        fields["complete"].fail("a boolean")
    subject = Subject(
        **{name: fields[name].text() for name in texts},
        shape=_integers(fields["shape"]),
        level=cast(Level, fields["level"].text(("measured", "modelled"))),
    )
    batches = tuple(_batch(item) for item in fields["batches"].items())
    return Tuning(subject, fields["complete"].value, _integers(fields["chosen"]), batches)


def _batch(node: Node) -> Batch:
    fields = node.members("key", "group", "figures")
    return Batch(fields["key"].text(), fields["group"].text(), tuple(_figure(f) for f in fields["figures"].items()))


def _figure(node: Node) -> Figure:
    fields = node.members("tune", "microseconds", "refused")
    if not isinstance(refused := fields["refused"].value, str):
        fields["refused"].fail("a text")
    times = {name: _positive(time) for name, time in fields["microseconds"].members().items()}
    if not times and not refused:
        fields["microseconds"].fail("times, or a reason in `refused`")
    return Figure(_integers(fields["tune"]), times, refused)


def _positive(node: Node) -> float:
    if not isinstance(node.value, int | float) or isinstance(node.value, bool) or not node.value > 0:
        node.fail("a positive number")
    return float(node.value)


def _integers(node: Node) -> dict[str, int]:
    return {name: item.integer() for name, item in node.members().items()}
