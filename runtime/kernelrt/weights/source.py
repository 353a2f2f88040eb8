"""Opening a checkpoint: a GGUF file, a safetensors file, or a folder with a config.json and one or many of those."""

from contextlib import ExitStack
from pathlib import Path
from typing import cast

from kernelrt.errors import InputError
from kernelrt.gguf import read_gguf
from kernelrt.model import ModelSpec
from kernelrt.specfile import is_folder, kind_of, printable, read_bytes, shown
from kernelrt.weights.cache import CacheMode
from kernelrt.weights.checkpoint import Checkpoint
from kernelrt.weights.names import gguf_name, hf_name, is_vision, role_of_gguf, role_of_hf
from kernelrt.weights.safetensors import Header, parse_object, read_header
from kernelrt.weights.tensor import BF16, F16, F32, Q4_0, Q6_K, Q8_0, OpenFile, Tensor

INDEX, SINGLE, CONFIG = "model.safetensors.index.json", "model.safetensors", "config.json"
_GGUF = {"F32": F32, "F16": F16, "BF16": BF16, "Q4_0": Q4_0, "Q8_0": Q8_0, "Q6_K": Q6_K}
_SAFETENSORS = {"F32": F32, "F16": F16, "BF16": BF16}


def open_checkpoint(path: Path, cache: CacheMode = "auto") -> Checkpoint:
    """Opens the files and reads their headers; no weight is read yet. Close the checkpoint when it is loaded.

    `cache`: whether loading uses and writes a repacked cache file: where weights are converted, always, or never.
    Raises InputError where a file cannot be read, is cut off or lies about its content, and for a tensor that Gemma 3
    does not have (those of the vision part are passed over).
    """
    with ExitStack() as opened:  # closes the files again where they are not what they should be
        checkpoint = _open(path, cache, opened)
        opened.pop_all()
        return checkpoint


def _open(path: Path, cache: CacheMode, opened: ExitStack) -> Checkpoint:
    if is_folder(path):
        return _safetensors(path, _shards(path), path / CONFIG, cache, opened)
    if path.suffix.lower() == ".gguf":
        return _gguf(path, cache, opened)
    if path.suffix.lower() == ".safetensors":
        config = path.with_name(CONFIG)
        return _safetensors(path, {path: None}, config if config.exists() else None, cache, opened)
    raise InputError(f"{path}: no weights; expected a *.gguf file, a *.safetensors file, or a folder with {SINGLE}")


def _gguf(path: Path, cache: CacheMode, opened: ExitStack) -> Checkpoint:
    gguf = read_gguf(path)
    if (parts := gguf.fields.get("split.count", 1)) not in (0, 1):
        raise InputError(f"{path}: one of {shown(parts)} parts; join them first (llama-gguf-split --merge)")
    model = ModelSpec.load(path)
    file = opened.enter_context(OpenFile(path))
    tensors: dict[str, Tensor] = {}
    for info in gguf.tensors.values():
        if (encoding := _GGUF.get(info.type.name)) is None:
            known = ", ".join(_GGUF)
            raise InputError(f"{path}: tensor {printable(info.name)} is {info.type.name}; supported: {known}")
        tensor = Tensor(info.name, encoding, info.shape, file, info.start)
        _add(tensors, role_of_gguf(info.name), tensor)
    return Checkpoint(path, (file,), (gguf.header_bytes,), tensors, model, gguf_name, 0.0, cache)


def _safetensors(
    path: Path, shards: dict[Path, set[str] | None], config: Path | None, cache: CacheMode, opened: ExitStack
) -> Checkpoint:
    """`shards` maps each file to the tensors that it must hold (None: it says that itself)."""
    model = None if config is None else ModelSpec.load(config)
    headers: list[Header] = []
    files: list[OpenFile] = []
    tensors: dict[str, Tensor] = {}
    for shard, expected in shards.items():
        headers.append(read_header(shard))
        files.append(opened.enter_context(OpenFile(shard)))
        names = {entry.name for entry in headers[-1].entries}
        if expected is not None and (different := names ^ expected):
            where = "is not in" if (name := min(different)) in expected else "is in"
            raise InputError(f"{shard}: tensor {printable(name)} {where} the file, other than {INDEX} says")
        for entry in headers[-1].entries:
            if is_vision(entry.name):
                continue
            role = role_of_hf(entry.name)
            if role is not None and entry.dtype not in _SAFETENSORS:
                known = ", ".join(_SAFETENSORS)
                raise InputError(f"{shard}: tensor {printable(entry.name)} is {entry.dtype}; supported: {known}")
            encoding = _SAFETENSORS.get(entry.dtype, F32)
            _add(tensors, role, Tensor(entry.name, encoding, entry.shape, files[-1], entry.start))
    sizes = tuple(header.nbytes for header in headers)
    return Checkpoint(path, tuple(files), sizes, tensors, model, hf_name, 1.0, cache)


def _add(tensors: dict[str, Tensor], role: str | None, tensor: Tensor) -> None:
    where = f"{tensor.file.path}: tensor {printable(tensor.name)}"
    if role is None:
        raise InputError(f"{where} does not belong to a Gemma 3 text model")
    if role in tensors:
        raise InputError(f"{where} is there twice: it is {printable(tensors[role].name)} too")
    tensors[role] = tensor


def _shards(folder: Path) -> dict[Path, set[str] | None]:
    index = folder / INDEX
    if not index.exists():
        if (single := folder / SINGLE).exists():
            return {single: None}
        raise InputError(f"{folder}: no weights; expected {SINGLE} or {INDEX} in the folder")
    try:
        table = parse_object(read_bytes(index))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{index}: not valid JSON: {printable(str(error))}") from None
    weight_map = table.get("weight_map")
    if not isinstance(weight_map, dict):
        raise InputError(f"{index}: weight_map: expected an object, found {kind_of(weight_map)}")
    shards: dict[Path, set[str] | None] = {}
    for name, file in cast(dict[str, object], weight_map).items():
        if not isinstance(file, str) or Path(file).name != file or not file.endswith(".safetensors") or "\0" in file:
            raise InputError(f"{index}: weight_map: {printable(name)}: {shown(file)} names no *.safetensors file")
        names = shards.setdefault(folder / file, set())
        if names is not None:
            names.add(name)
    return dict(sorted(shards.items()))
