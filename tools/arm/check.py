"""Checks cache.c against loops whose misses and write-backs are known: `check.py`, nothing but the set-up is needed."""

import subprocess
import sys
import tempfile
from pathlib import Path

import guest
from cache import BOARDS

PI4, PI5 = BOARDS["pi4"], BOARDS["pi5"]
MIB, KIB = 1 << 20, 1 << 10
# Caches, bytes, stride, stores; then accesses, misses and write-backs of each level, a turn.
CASES = [
    (PI4, 8 * MIB, 8, 0, (1 << 20, 1 << 17, 0, 1 << 17, 0)),  # more than L2 holds
    (PI4, 8 * MIB, 8, 1, (1 << 20, 1 << 17, 1 << 17, 1 << 17, 1 << 17)),
    (PI4, 256 * KIB, 8, 0, (1 << 15, 1 << 12, 0, 0, 0)),  # L2 holds it
    (PI4, 256 * KIB, 8, 1, (1 << 15, 1 << 12, 1 << 12, 0, 0)),
    (PI4, 8 * MIB, 256, 0, (1 << 15, 1 << 15, 0, 1 << 15, 0)),  # 2 MiB of lines in a quarter of the sets
    (PI4, 15 * 64 * KIB, 64 * KIB, 0, (15, 15, 0, 0, 0)),  # one set of L2, which has 16 ways
    (PI4, 17 * 64 * KIB, 64 * KIB, 0, (17, 17, 0, 17, 0)),  # the line that is wanted next has always just gone
    (PI4, 3 * 16 * KIB, 16 * KIB, 1, (3, 3, 3, 0, 0)),  # one set of L1, which has two ways
    (PI5, MIB, 64, 1, (1 << 14, 1 << 14, 1 << 14, 1 << 14, 1 << 14, 0, 0)),  # L3 holds it
    (PI5, 8 * MIB, 64, 1, (1 << 17,) * 7),
]


def counted(program: Path, levels: str, words: list[str], folder: Path) -> list[int]:
    by_turns = []
    for turns in ("3", "5"):
        result = folder / turns
        guest.run(guest.CORES["cortex-a72"], "cache", {"levels": levels, "out": str(result)}, [str(program), *words, turns])
        first = result.read_text().splitlines()[0].split()
        by_turns.append(dict(zip(first[::2], map(int, first[1::2]), strict=True)))
    names = [name for name in by_turns[0] if name == "accesses" or name.startswith("l")]
    return [(by_turns[1][name] - by_turns[0][name]) // 2 for name in names]


def main() -> int:
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "loop"
        zig = guest.ROOT / "target/cross/venv/bin/python"
        source = Path(__file__).with_name("loop.c")
        command = [zig, "-m", "ziglang", "cc", "-target", "aarch64-linux-musl", "-static", "-O2", "-o", program, source]
        subprocess.run(command, check=True)
        for levels, size, stride, stores, expected in CASES:
            words = [str(size), str(stride), str(stores)]
            found = tuple(counted(program, levels, words, Path(folder)))
            print(f"{levels}, {size} bytes by {stride}, {'stores' if stores else 'loads'}: {found}", end="")
            print("" if found == expected else f", expected {expected}")
            wrong += found != expected
    print(f"{len(CASES) - wrong} of {len(CASES)} as expected")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
