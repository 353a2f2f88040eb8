"""Which formats of a bundle a checkpoint can fill: what must be used bit for bit, and what is quantised on load."""

from collections.abc import Iterable, Mapping

from kernelrt.errors import InputError
from kernelrt.quant import BODY_QUANTS, QUANTS
from kernelrt.specfile import printable
from kernelrt.weights.convert import Conversion
from kernelrt.weights.slots import Formats, Slot
from kernelrt.weights.tensor import Tensor

_QUANTISED_ON_LOAD = ("q4_0", "q8_0", "f16")


def conversions(
    tensors: Mapping[str, Tensor], slots: Iterable[Slot], formats: Formats, norm_offset: float
) -> dict[str, Conversion]:
    """How each role's tensor becomes what its slot holds; a norm's weights are those of the file and `norm_offset`.

    Raises InputError where a tensor is quantised in another format than the bundle's: quantising it a second time would
    lose more than either. So would an embedding of a quantised file that is converted: it is used bit for bit.
    """
    found: dict[str, Conversion] = {}
    for slot in slots:
        for part in slot.parts:
            tensor = tensors[part.role]
            if not _can(tensors, tensor, slot):
                raise _unfit(tensors, tensor, slot, formats)
            found[part.role] = Conversion(tensor, slot.format, norm_offset if slot.is_vector else 0.0)
    return found


def _can(tensors: Mapping[str, Tensor], tensor: Tensor, slot: Slot) -> bool:
    if slot.is_vector:
        return tensor.encoding.is_float
    if tensor.encoding.name == slot.format:
        return True
    if slot.name == "embedding" and tensor.encoding.name in QUANTS and _body(tensors) is not None:
        return False
    return tensor.encoding.is_float and slot.format in _QUANTISED_ON_LOAD


def _body(tensors: Mapping[str, Tensor]) -> str | None:
    """The format of the layers' matrices in a quantised file; None where they are floats."""
    found = [t.encoding.name for role, t in tensors.items() if role.endswith(".down")]
    return next((name for name in found if name in BODY_QUANTS and QUANTS[name].scaled), None)


def _unfit(tensors: Mapping[str, Tensor], tensor: Tensor, slot: Slot, formats: Formats) -> InputError:
    file = f"{tensor.file.path}: tensor {printable(tensor.name)} is {tensor.encoding.name}"
    if slot.is_vector:
        return InputError(f"{file}; a norm's weights must be floats")
    place = "embedding is" if slot.name == "embedding" else "layers are"
    problem = f"{file} and the bundle's {place} {slot.format}"
    quantised = _body(tensors)
    body, embedding = quantised or formats.quant, tensors["embedding"].encoding.name
    if embedding not in QUANTS or (quantised is None and tensors["embedding"].encoding.is_float):
        embedding = body
    options = f"--quant {body}" + (f" --embedding-quant {embedding}" if embedding != body else "")
    return InputError(f"{problem}: use a bundle of its formats (`kernelc build {options}`), or unquantised weights")
