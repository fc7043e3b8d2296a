"""Figures for one inference from what cache.c counted in two runs of a program."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

LINE = 64
# Data caches of a core, then those it shares, as if it had them alone: KiB and ways.
BOARDS = {"pi3": "32:4+512:16", "pi4": "32:2+1024:16", "pi5": "64:4+512:8+2048:16"}
CORES = {"pi3": "cortex-a53", "pi4": "cortex-a72", "pi5": "cortex-a76"}


@dataclass
class Traffic:
    """In megabytes (10⁶ bytes)."""

    filled_mb: float
    for_stores_mb: float
    """Of it what was fetched only to be written to: a core that writes whole lines saves some of that."""
    written_back_mb: float
    sites_mb: list[tuple[str, float]]
    """The instructions that fetched most, by address and word."""

    def total_mb(self) -> float:
        return self.filled_mb + self.written_back_mb


def read(few: Path, many: Path, difference: int) -> Traffic:
    """From the files of two runs that are `difference` inferences apart."""
    counts, sites = Counter(), Counter()
    for path, sign in ((few, -1), (many, 1)):
        first, *rest = path.read_text().splitlines()
        words = first.split()
        for name, value in zip(words[::2], words[1::2], strict=True):
            counts[name] += sign * int(value)
        for line in rest:
            address, word, fills = line.split()
            sites[f"…{address[-3:]} {word}"] += sign * int(fills)  # a library may lie elsewhere, by whole pages
    last = max(name for name in counts if name.endswith("_misses")).removesuffix("_misses")
    mb = lambda lines: lines / difference * LINE / 1e6  # noqa: E731
    return Traffic(
        mb(counts[f"{last}_misses"]),
        mb(counts["fills_for_stores"]),
        mb(counts[f"{last}_write_backs"]),
        [(site, mb(fills)) for site, fills in sites.most_common(10)],
    )
