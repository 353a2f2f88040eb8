"""A kernel for the NPU as `kernelc show --emit abi` and `kernelc plan` tell of it."""

from dataclasses import asdict

from kernelc.npu.spec import NpuKernelSpec


def sizes(spec: NpuKernelSpec) -> dict[str, int | str]:
    """Its numbers and what the runtime finds it by, sorted by name; without what only a template reads."""
    numbers = {name: value for name, value in spec.params if type(value) is int}
    return dict(sorted({**numbers, **dict(spec.tags)}.items()))


def describe(spec: NpuKernelSpec) -> dict[str, object]:
    """As plain JSON values; sizes of arguments in elements, of work and memory in bytes."""
    return {
        "name": spec.name,
        "family": spec.family,
        "parameters": sizes(spec),
        "arguments": [{"argument": i, **asdict(a), "nbytes": a.nbytes} for i, a in enumerate(spec.arguments)],
        "sequences": list(spec.sequences),
        "work": asdict(spec.work),
        "budget": spec.budget.describe(),
        "tags": dict(spec.tags),
    }


def abi_text(spec: NpuKernelSpec) -> str:
    """The host's arguments, the sequences and the budget, for people."""
    lines = [f"{spec.name} (family {spec.family}, for the NPU)", "buffers of the host, of each sequence in this order:"]
    for i, a in enumerate(spec.arguments):
        shape = " x ".join(map(str, a.shape))
        lines.append(f"  {i:2}  {a.name:8} {a.access}  {a.dtype:4}  {shape:24} {', '.join(a.axes)}; {a.nbytes} bytes")
    lines.append(f"sequences of instructions: {' '.join(spec.sequences)}")
    work = spec.work
    lines.append(
        f"work of the largest: {work.macs} MACs, {work.moved} bytes between host and array, {work.tiles} tiles"
    )
    lines += spec.budget.lines()
    lines += [f"tag: {name} = {value}" for name, value in spec.tags]
    return "\n".join(lines) + "\n"
