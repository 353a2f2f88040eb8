"""ModelSpec: the shape of a Gemma 3 text model, from a built-in name, TOML, Hugging Face's config.json or GGUF."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal, cast

from kernelrt import gguf_header, hf_config
from kernelrt.errors import InputError
from kernelrt.specfile import FieldError, builtin, check_keys, integer, is_folder, name, number, read_toml, shown, text

LayerKind = Literal["local", "global"]
ACTIVATIONS = ("gelu_tanh", "silu")
MAX_HEAD_DIM = 256
MAX_VOCAB = 1 << 22  # an id has 22 bits in templates/glsl/lib/select.glsl
VECTOR = 8  # kernels move eight 16-bit values at a time
_FOLDER = Path(__file__).resolve().parent / "models"
_SUFFIXES = (".toml", ".json", ".gguf")
# The most of each: far above any published model, and low enough that no product of them leaves 64 bits.
_WIDTHS = {"hidden": 1 << 20, "ffn": 1 << 20}
_DIMENSIONS = {
    "layers": 1024,
    "heads": 1024,
    "kv_heads": 1024,
    "vocab": MAX_VOCAB,
    "window": 1 << 24,
    "global_every": 1 << 24,
    "max_positions": 1 << 24,
}
_NUMBERS = ("rope_theta_local", "rope_theta_global", "rope_scale_global", "query_scale_dim", "norm_eps")


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """What of a model the kernels depend on. Construction checks every field (FieldError, an InputError).

    Layer i (from 0) is global when (i + 1) % global_every == 0, else local with a sliding `window`: a query attends to
    itself and at most window - 1 tokens before it. `rope_scale_global` is the linear RoPE factor of the global layers
    (1.0: none). The softmax scale is 1 / sqrt(query_scale_dim) (Hugging Face: `query_pre_attn_scalar`).
    """

    name: str
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    ffn: int
    vocab: int
    window: int
    global_every: int
    rope_theta_local: float
    rope_theta_global: float
    rope_scale_global: float
    query_scale_dim: float
    norm_eps: float
    activation: Literal["gelu_tanh", "silu"]
    max_positions: int
    eos_ids: tuple[int, ...]
    bos_id: int

    def __post_init__(self) -> None:
        name("name", self.name)
        for field, most in _WIDTHS.items():
            integer(field, getattr(self, field), high=most, multiple=VECTOR)
        integer("head_dim", self.head_dim, high=MAX_HEAD_DIM, multiple=VECTOR)
        for field, most in _DIMENSIONS.items():
            integer(field, getattr(self, field), high=most)
        for field in _NUMBERS:  # 10000 in a TOML file is as good as 10000.0, and must give the same bundle
            object.__setattr__(self, field, number(field, getattr(self, field)))
        text("activation", self.activation, ACTIVATIONS)
        if self.heads % self.kv_heads:
            raise FieldError("kv_heads", f"{self.heads} query heads are not divisible by {self.kv_heads} kv heads")
        integer("bos_id", self.bos_id, low=0, high=self.vocab - 1)
        object.__setattr__(self, "eos_ids", _token_ids("eos_ids", self.eos_ids, self.vocab))

    @property
    def group(self) -> int:
        """Query heads that share one key/value head; query head h uses kv head h // group."""
        return self.heads // self.kv_heads

    @property
    def qkv_rows(self) -> int:
        """Rows of the fused q, k, v weight."""
        return (self.heads + 2 * self.kv_heads) * self.head_dim

    @property
    def attn_width(self) -> int:
        """Width of the attention's output, the columns of o_proj."""
        return self.heads * self.head_dim

    @property
    def layer_kinds(self) -> tuple[LayerKind, ...]:
        return tuple("global" if (i + 1) % self.global_every == 0 else "local" for i in range(self.layers))

    def describe(self) -> dict[str, object]:
        """The fields as plain JSON values, for a manifest."""
        return {**asdict(self), "eos_ids": list(self.eos_ids)}

    @classmethod
    def load(cls, name_or_path: str | Path) -> "ModelSpec":
        """A built-in name, a *.toml with every field, a Hugging Face config.json or its folder, or a *.gguf.

        A file whose model is a built-in one takes its name, so that the bundle is the same wherever the file lies.
        Raises InputError: one line that names the file and the field.
        """
        path = builtin("model", _FOLDER, str(name_or_path), _SUFFIXES)
        if is_folder(path):
            path = path / "config.json"
        suffix = path.suffix.lower()
        if suffix == ".toml":
            table = read_toml(path)
            check_keys(cls, table, path)
            return _construct(table, {}, path)
        if suffix not in _SUFFIXES:
            raise InputError(f"{path}: not a model; expected {', '.join(_SUFFIXES)} or a folder with a config.json")
        values, source = (hf_config.read if suffix == ".json" else gguf_header.read)(path)
        return _known_name(_construct({"name": _name_from(path), **values}, source, path))


def _construct(values: Mapping[str, object], source: Mapping[str, str], path: Path) -> ModelSpec:
    """The spec, with errors that use the file's own word for a field (`source`: our name -> theirs)."""
    try:
        return ModelSpec(**values)  # pyright: ignore[reportArgumentType]  # __post_init__ checks every type at run time
    except FieldError as error:
        raise error.located(path, source.get(error.field)) from None


def _token_ids(field: str, value: object, vocab: int) -> tuple[int, ...]:
    if not isinstance(value, list | tuple) or not value:
        raise FieldError(field, f"expected a list of token ids, found {shown(cast(object, value))}")
    items = cast(list[object], value)  # each is checked on the next line
    return tuple(sorted({integer(field, item, low=0, high=vocab - 1) for item in items}))


def _name_from(path: Path) -> str:
    """A name for a model that has none, made to fit: config.json takes its folder's, any other file its own."""
    stem = path.resolve().parent.name if path.name == "config.json" else path.stem
    stem = re.sub(r"[^a-z0-9._-]+", "-", stem.lower()).strip("-._")[:64]
    return re.sub(r"(\.kcb|[-._])+$", "", stem) or "model"


def _known_name(spec: ModelSpec) -> ModelSpec:
    for path in sorted(_FOLDER.glob("*.toml")):
        if replace(spec, name=path.stem) == _construct(read_toml(path), {}, path):
            return replace(spec, name=path.stem)
    return spec
