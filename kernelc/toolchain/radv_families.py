"""The GPUs that RADV's null device is asked to compile for."""

from collections.abc import Mapping

# What RADV calls a GPU: Mesa 25's name, then that of Mesa 22 to 24.
FAMILIES: Mapping[str, tuple[str, ...]] = {"phoenix": ("phoenix", "gfx1103_r1")}
