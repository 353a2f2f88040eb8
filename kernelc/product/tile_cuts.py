"""The cuts of the tile, coopmat and direct forms that a target is tuned to."""

from dataclasses import replace

from kernelc.product.matrix import Matrix
from kernelc.product.tiles import MATRIX_EDGE, Operand, Tiles, direct_fits, direct_step, step_of
from kernelc.target import TargetSpec
from kernelrt.errors import InputError


def tiles_tuned(target: TargetSpec, matrix: Matrix, rows: int, prefill: bool, operand: Operand) -> Tiles:
    """The tile of a target for a bucket of `rows` rows.

    Cooperative matrices: `<family>_coopmat_bm`, `_bn`, `_m`, `_n` and `_splits` of its [tune] table, with `_short`
    behind for up to 32 rows.
    """
    short = rows <= 32

    def tuned(what: str, default: int) -> int:
        return target.tune.get(f"{matrix.family}_coopmat_{what}{'_short' * short}", default)

    if operand == "f32":
        plain = Tiles(32, 64, 4, 4) if short else Tiles(64, 64, 8, 4)
        return replace(plain, rows=rows, prefill=prefill)
    # A gated product has two tiles of weights and twice the sums.
    if short:
        default = (32, 64, 32, 16) if matrix.gated else (32, 128, 32, 32)
    else:
        default = (64, 64, 64, 16) if matrix.gated else (64, 128, 64, 32)
    bm, bn, m, n = (tuned(side, size) for side, size in zip(("bm", "bn", "m", "n"), default, strict=True))
    cut = Tiles(
        bm,
        bn,
        m,
        n,
        step_of(matrix.quant),
        operand,
        target.subgroup,
        rows,
        prefill,
        1 if matrix.gated else tuned("splits", 1),
    )
    _check(target, f"{matrix.family}_coopmat", cut, "_short" * short)
    return cut


def direct_tuned(target: TargetSpec, matrix: Matrix, rows: int) -> Tiles | None:
    """The direct form of a target for a bucket of up to 32 rows, by `<family>_direct_bn` and `_splits` of its [tune]
    table, or with as many splits below as fit; None without the former, or where the device or the matrix cannot have
    it.
    """
    bn = target.tune.get(f"{matrix.family}_direct_bn")
    most = 1 if matrix.gated else target.tune.get(f"{matrix.family}_direct_splits", 1)
    if bn is None or "coopmat_mma" not in target.features or not matrix.format.scaled or rows > 32:
        return None
    part = 16 if matrix.gated else 32
    step = direct_step(matrix.quant)
    cuts = (
        Tiles(32, bn, 32, part, step, "f16", target.subgroup, rows, False, splits, True)
        for splits in range(most, 0, -1)
    )
    return next((cut for cut in cuts if direct_fits(matrix, cut)), None)


def _check(target: TargetSpec, name: str, cut: Tiles, suffix: str) -> None:
    """Raises InputError for a cut that no kernel can have, naming the sizes of the [tune] table that make it."""
    where = f"target {target.name}"
    if cut.subgroup < MATRIX_EDGE:
        raise InputError(
            f"{where}: subgroup: {cut.subgroup} is below {MATRIX_EDGE}, the least that its cooperative matrices work "
            "with"
        )
    for side, whole, part in (("m", cut.bm, cut.m), ("n", cut.bn, cut.n)):
        if whole % part:
            raise InputError(
                f"{where}: tune.{name}_{side}{suffix}: {part} does not divide {name}_b{side}{suffix}, {whole}"
            )
    if cut.workgroup > target.max_workgroup:
        raise InputError(
            f"{where}: tune.{name}_bm{suffix}: {cut.bm} x {cut.bn} in parts of {cut.m} x {cut.n} makes workgroups of "
            f"{cut.workgroup}, above max_workgroup {target.max_workgroup}"
        )
