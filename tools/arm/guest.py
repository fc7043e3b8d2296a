"""Runs an ARM program under qemu as on one core of a board, with a plugin that counts."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ARM = ROOT / "target" / "arm"
LIBRARIES = ARM / "host/usr/lib/x86_64-linux-gnu"
LLVM = ARM / "host/usr/lib/llvm-22"

OLD_FEATURES = "fp asimd evtstrm crc32 cpuid"
NEW_FEATURES = "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp"


@dataclass(frozen=True)
class Core:
    """A kind of core: what qemu and /proc/cpuinfo call it, and how LLVM models it."""

    name: str
    part: str
    features: str
    caches: tuple[str, str]
    """Nearest and second data cache in the board that it is in: Pi 3, Pi 4, Pi 5."""
    models: tuple[str, ...]
    """In LLVM the A76 is a copy of the A57; Neoverse N1 is the same core done right. The A53's simulation holds each load
    back until the multiplications before it are done, so of it only the bound is used, and the A55 simulated beside it."""
    is_bound: tuple[bool, ...]


CORES = {
    core.name: core
    for core in (
        Core("cortex-a53", "0xd03", OLD_FEATURES, ("32K", "512K"), ("cortex-a53", "cortex-a55"), (True, False)),
        Core("cortex-a72", "0xd08", OLD_FEATURES, ("32K", "1024K"), ("cortex-a72",), (False,)),
        Core("cortex-a76", "0xd0b", NEW_FEATURES, ("64K", "512K"), ("neoverse-n1",), (False,)),
    )
}


def root_of(core: Core) -> Path:
    """A root in which libraries that ask which core they are on read that core, not the host's."""
    root = ARM / "roots" / core.name
    cpus = root / "sys/devices/system/cpu"
    (cpus / "cpu0").mkdir(parents=True, exist_ok=True)
    (root / "proc").mkdir(exist_ok=True)
    for folder in ("usr", "lib", "etc"):
        link = root / folder
        if not link.is_symlink():
            link.symlink_to(ARM / "root" / folder)
    lines = {
        "processor": "0",
        "Features": core.features,
        "CPU implementer": "0x41",
        "CPU architecture": "8",
        "CPU variant": "0x0",
        "CPU part": core.part,
        "CPU revision": "3",
    }
    (root / "proc/cpuinfo").write_text("".join(f"{key}\t: {value}\n" for key, value in lines.items()) + "\n")
    # What is not here, qemu takes from the host: so these are the first that a program comes to, and all there are.
    for level, size in enumerate(core.caches, 1):
        index = cpus / "cpu0/cache" / f"index{level}"
        index.mkdir(parents=True, exist_ok=True)
        for name, text in (("level", level), ("type", "Data"), ("size", size), ("shared_cpu_list", 0)):
            (index / name).write_text(f"{text}\n")
    for name in ("possible", "present", "online", "kernel_max"):
        (cpus / name).write_text("0\n")
    return root


def run(core: Core, plugin: str, options: dict[str, str], command: list[str], kernels: str = "") -> str:
    """The program's output. Where it fails, its last words are in the error. `kernels` are Phicam's."""
    plugin_words = ",".join([str(ARM / f"{plugin}.so"), *(f"{key}={value}" for key, value in options.items())])
    guest = {
        "LD_LIBRARY_PATH": "",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": str(ARM / "site"),
        "PHICAM_KERNELS": kernels,
        # qemu of this age shows programs the host's cores; stock tract would take its kernels for those.
        "TRACT_CPU_AARCH64_KIND": core.name.removeprefix("cortex-"),
    }
    words = [str(ARM / "host/usr/bin/qemu-aarch64"), "-cpu", core.name, "-L", str(root_of(core))]
    for key, value in guest.items():
        words += ["-E", f"{key}={value}"]
    words += ["-plugin", plugin_words, *command]
    done = subprocess.run(
        words,
        # What the shell has set for Phicam is not what is to be counted.
        env={key: value for key, value in os.environ.items() if not key.startswith("PHICAM_")}
        | {"LD_LIBRARY_PATH": str(LIBRARIES)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["nothing said"])[-1]
        raise RuntimeError(f"ended with {done.returncode}: {last}")
    return done.stdout


def llvm(tool: str, *words: str, given: str = "") -> str:
    """What one of LLVM's tools says of the text that it is given."""
    environment = os.environ | {"LD_LIBRARY_PATH": f"{LLVM / 'lib'}:{LIBRARIES}"}
    command = [str(LLVM / "bin" / tool), *words]
    done = subprocess.run(command, env=environment, input=given, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{tool}: {done.stderr.strip()[:500]}")
    return done.stdout
