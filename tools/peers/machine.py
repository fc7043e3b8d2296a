"""What this machine is, which commit is measured, and what else ran meanwhile."""

import os
import re
import resource
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Of those in /proc/cpuinfo, what a network's speed depends on.
VECTORS = re.compile(r"(avx\w*|amx\w*|fma|f16c|asimd\w*|sve\w*|i8mm|bf16|fphp)")
ARM_CORES = {
    "0xd03": "Cortex-A53",
    "0xd05": "Cortex-A55",
    "0xd07": "Cortex-A57",
    "0xd08": "Cortex-A72",
    "0xd0b": "Cortex-A76",
    "0xd0c": "Neoverse N1",
    "0xd40": "Neoverse V1",
    "0xd42": "Cortex-A78AE",
    "0xd49": "Neoverse N2",
    "0xd4f": "Neoverse V2",
    "0x004": "Carmel",
}


def cpu() -> dict:
    """Name, family and model (a cloud's names are vague), vector instructions, cores and which of them share one."""
    facts: dict[str, str] = {}
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        key, _, value = line.partition(":")
        facts.setdefault(key.strip(), value.strip())
    part = facts.get("CPU part", "")
    name = facts.get("model name") or ARM_CORES.get(part) or f"ARM part {part}"
    flags = facts.get("flags", facts.get("Features", "")).split()
    topology = Path("/sys/devices/system/cpu").glob("cpu[0-9]*/topology/thread_siblings_list")
    return {
        "name": name,
        "family": facts.get("cpu family", facts.get("CPU architecture", "")),
        "model": facts.get("model", part),
        "vectors": [flag for flag in flags if VECTORS.fullmatch(flag)],
        "threads": len(os.sched_getaffinity(0)),
        "threads_that_share_a_core": sorted({path.read_text().strip() for path in topology}),
    }


def commit() -> str:
    """With `-changed` where tracked files differ from it."""

    def git(*words: str) -> str:
        command = ["git", "-C", str(ROOT), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        return git("rev-parse", "--short=9", "HEAD") + ("-changed" if git("status", "--short", "-uno") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def tract_version() -> str:
    lock = (ROOT / "Cargo.lock").read_text()
    found = re.search(r'name = "tract-core"\nversion = "([^"]+)"', lock)
    return found[1] if found else "unknown"


@dataclass
class Neighbours:
    """What other programs, and other virtual machines, took of the cores since it was made."""

    started: float
    busy: float
    stolen: float
    ours: float

    @staticmethod
    def watch() -> "Neighbours":
        busy, stolen = jiffies()
        return Neighbours(time.monotonic(), busy, stolen, our_seconds())

    def took(self) -> dict:
        """In cores: 0.1 is a tenth of one."""
        now = Neighbours.watch()
        wall = max(now.started - self.started, 1e-3)
        others = (now.busy - self.busy - (now.ours - self.ours)) / wall
        return {"others_cores": round(max(others, 0.0), 3), "stolen_cores": round((now.stolen - self.stolen) / wall, 3)}


def jiffies() -> tuple[float, float]:
    """Seconds that all cores were busy with this machine's programs, and that another took them away."""
    first = Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    user, nice, system, _idle, _waiting, hard, soft, stolen = (int(count) for count in first[:8])
    a_second = os.sysconf("SC_CLK_TCK")
    return (user + nice + system + hard + soft) / a_second, stolen / a_second


def our_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)
