"""What a run did, as a table and as JSON. Cycles are modelled (see cycles), never measured."""

from dataclasses import dataclass

from kernelrt.npu.hardware import Tile
from kernelrt.npu.sim.counters import ChannelCount, CoreCount, Counts
from kernelrt.npu.sim.cycles import CLOCK_HZ, MACS

_MODELLED = "modelled, not measured: every unit always at AIE2's public peak"


@dataclass(frozen=True, slots=True)
class Report:
    """`cycles`: modelled, from the first instruction of the sequence to its last. `warnings`: what the hardware would
    leave to chance."""

    sequence: str
    cycles: int
    counts: Counts
    warnings: tuple[str, ...]

    @property
    def macs(self) -> int:
        return sum(count for core in self.counts.cores for _, count in core.macs)

    @property
    def peak_share(self) -> float:
        """Share of the modelled peak of the cores that the design has, over the whole run."""
        busy = sum(count / MACS.get(dtype, 16) for core in self.counts.cores for dtype, count in core.macs)
        return busy / max(1, self.cycles * len(self.counts.cores))

    def moved(self, tile: Tile, direction: str) -> int:
        """Bytes through all channels of a tile in one direction."""
        return sum(c.moved for c in self.counts.channels if c.tile == tile and c.direction == direction)

    def describe(self) -> dict[str, object]:
        """As JSON values."""
        return {
            "sequence": self.sequence,
            "modelled": {
                "note": _MODELLED,
                "cycles": self.cycles,
                "seconds_at_1_ghz": self.cycles / CLOCK_HZ,
                "share_of_peak": self.peak_share,
            },
            "macs": self.macs,
            "cores": [_describe_core(core) for core in self.counts.cores],
            "channels": [_describe_channel(channel) for channel in self.counts.channels],
            "warnings": list(self.warnings),
        }

    def text(self) -> str:
        """Tables of cores and of channels."""
        lines = [
            f"{self.sequence}: {self.cycles:,} cycles, {self.peak_share:.1%} of the cores' peak ({_MODELLED})",
            f"{'core':<10}{'MACs':>16}{'vector ops':>14}{'scalar ops':>14}{'computing':>14}{'waiting':>14}",
        ]
        for core in self.counts.cores:
            macs = sum(count for _, count in core.macs)
            lines.append(
                f"{_tile(core.tile):<10}{macs:>16,}{core.vector_ops:>14,}{core.scalar_ops:>14,}{core.cycles:>14,}{core.stalls:>14,}"
            )
        lines.append(f"{'channel':<18}{'bytes':>16}{'waiting':>14}")
        for channel in self.counts.channels:
            name = f"{_tile(channel.tile)} {channel.direction} {channel.index}"
            lines.append(f"{name:<18}{channel.moved:>16,}{channel.stalls:>14,}")
        return "\n".join([*lines, *(f"warning: {warning}" for warning in self.warnings)])


def _tile(tile: Tile) -> str:
    return f"({tile.column}, {tile.row})"


def _describe_core(core: CoreCount) -> dict[str, object]:
    return {
        "tile": [core.tile.column, core.tile.row],
        "macs": dict(core.macs),
        "vector_ops": core.vector_ops,
        "scalar_ops": core.scalar_ops,
        "modelled_cycles": core.cycles,
        "modelled_stalls": core.stalls,
    }


def _describe_channel(channel: ChannelCount) -> dict[str, object]:
    return {
        "tile": [channel.tile.column, channel.tile.row],
        "direction": channel.direction,
        "channel": channel.index,
        "bytes": channel.moved,
        "modelled_stalls": channel.stalls,
    }
