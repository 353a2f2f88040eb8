"""rope_table: cosines and sines of the rotary embedding, once at load for each kind of layer.

    table f32x2 [positions, head_dim / 2] = (cos, sin) of position * theta^(-2 i / head_dim) / scale

The phase is kept as an integer fraction of a turn: its 64-bit step per position is a constant of the kernel, so a
product modulo 2^64 reduces any position exactly, without fp64 on the device. RoPE pairs are (i, i + head_dim / 2).
"""

from collections.abc import Iterator
from decimal import Decimal, localcontext

from kernelc.buckets import Buckets
from kernelc.kernel import Binding, Dim, KernelSpec, Work, ceil_div, frozen, tags
from kernelc.target import TargetSpec
from kernelrt.model import LayerKind, ModelSpec

_PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494459")
_PER_INVOCATION = 4  # entries, so that 131072 positions of 256 stay below 65536 workgroups


def turn_steps(head_dim: int, theta: float, scale: float) -> tuple[int, ...]:
    """Turns per position of each of the head_dim / 2 pairs, in units of 2^-64, whole turns dropped."""
    with localcontext() as context:
        context.prec = 60
        exponent = Decimal(-2) / head_dim * Decimal(theta).ln()
        turn = 2 * _PI * Decimal(scale)
        return tuple(int((exponent * i).exp() / turn * 2**64) % 2**64 for i in range(head_dim // 2))


def spec(
    *, layer: LayerKind, positions: int, head_dim: int, theta: float, scale: float, workgroup: int = 256
) -> KernelSpec:
    """One kernel; `layer` only names it."""
    half = head_dim // 2
    steps = turn_steps(head_dim, theta, scale)
    entries = positions * half
    return KernelSpec(
        name=f"rope_table.{layer}",
        family="rope_table",
        params=frozen(
            {
                "half": half,
                "entries": entries,
                "per_invocation": _PER_INVOCATION,
                "steps": ", ".join(f"uvec2({step >> 32}u, {step & 0xFFFFFFFF}u)" for step in steps),
            }
        ),
        bindings=(Binding("table", "f32x2", (positions, half), "w"),),
        workgroup=workgroup,
        grid=(Dim(ceil_div(entries, workgroup * _PER_INVOCATION)), Dim(), Dim()),
        work=Work(positions, 20 * entries, 0, 8 * entries),
        tags=tags("load", layer=layer),
    )


def kernels(model: ModelSpec, target: TargetSpec, buckets: Buckets) -> Iterator[KernelSpec]:
    """A table per kind of layer, long enough for the largest cache."""
    kinds = {
        "local": (model.rope_theta_local, 1.0),
        "global": (model.rope_theta_global, model.rope_scale_global),
    }
    for layer in dict.fromkeys(model.layer_kinds):
        theta, scale = kinds[layer]
        yield spec(layer=layer, positions=max(buckets.seq), head_dim=model.head_dim, theta=theta, scale=scale)
