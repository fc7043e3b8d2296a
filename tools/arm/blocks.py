"""Figures for one inference from how often blocks ran in two runs of a program, one with more inferences than the other."""

import re
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from guest import Core, llvm

COVER = 0.98  # share of the instructions whose cycles are simulated; the rest is spread thinly over many blocks
ITERATIONS = 100

BRANCH = re.compile(r"(b|bl|br|blr|ret|cbn?z|tbn?z)$|b\.")
INTEGER_DOT = {"sdot", "udot", "usdot", "sudot", "smmla", "ummla", "usmmla"}


@dataclass
class Block:
    """Instructions that run one after another, and how often an inference runs them."""

    address: int
    words: list[str]
    runs: float
    cycles: dict[str, float] = field(default_factory=dict)
    """By LLVM's name of the core."""

    def instructions(self) -> float:
        return self.runs * len(self.words)


@dataclass
class Profile:
    blocks: list[Block]
    text: dict[str, str]
    """An instruction's word, disassembled."""

    def instructions(self) -> float:
        return sum(block.instructions() for block in self.blocks)

    def by_class(self) -> Counter:
        counts: Counter = Counter()
        for block in self.blocks:
            for word in block.words:
                counts[kind(self.text[word])] += block.runs
        return counts

    def cycles(self, model: str) -> float:
        return sum(block.runs * block.cycles.get(model, 0.0) for block in self.blocks)


def read(few: Path, many: Path, difference: int) -> Profile:
    """From the files of blocks.c of two runs that are `difference` inferences apart."""
    counts, addresses = Counter(), {}
    for path, sign in ((few, -1), (many, 1)):
        for line in path.read_text().splitlines():
            address, runs, words = line.split(" ", 2)
            # By what is in it: a library may lie elsewhere the next time, and code is translated more than once.
            counts[words] += sign * int(runs)
            addresses[words] = int(address, 16)
    blocks = [Block(addresses[words], words.split(), runs / difference) for words, runs in counts.items() if runs]
    text = disassembled(sorted({word for block in blocks for word in block.words}))
    return Profile(rejoined(blocks, text), text)


def disassembled(words: list[str]) -> dict[str, str]:
    with tempfile.NamedTemporaryFile(suffix=".o") as file:
        source = "".join(f".inst 0x{word}\n" for word in words)
        llvm("llvm-mc", "-triple=aarch64", "-filetype=obj", "-o", file.name, given=source)
        listing = llvm("llvm-objdump", "-d", "--mattr=+all", "--no-show-raw-insn", file.name)
    lines = re.findall(r"^ *[0-9a-f]+:\s+(.*)$", listing, re.MULTILINE)
    if len(lines) != len(words):
        raise RuntimeError(f"{len(words)} instructions were disassembled as {len(lines)}")
    return {word: re.sub(r"\s*<[^>]*>$", "", line).replace("\t", " ") for word, line in zip(words, lines, strict=True)}


def kind(text: str) -> str:
    """The class of an instruction."""
    name, _, operands = text.partition(" ")
    is_vector = bool(re.search(r"\bv\d+\.", operands))
    if BRANCH.match(name):
        return "branch"
    if name.startswith(("ld", "st")):
        wide = is_vector or re.match(r"[bhsdq]\d", operands)
        return ("load" if name.startswith("ld") else "store") + (" vector" if wide else "")
    if name in ("fmla", "fmls") and is_vector:
        return "multiply-add f16" if re.search(r"\.[48]h", operands) else "multiply-add f32"
    if name in INTEGER_DOT:
        return "integer dot"
    if name in ("fdiv", "fsqrt"):
        return "division"
    return "other vector" if is_vector else "other"


def rejoined(blocks: list[Block], text: dict[str, str]) -> list[Block]:
    """qemu cuts long blocks in two: those that run on into the next one, as often, are one again."""
    left = {block.address: block for block in blocks}
    joined = []
    for block in sorted(blocks, key=lambda block: block.address):
        if left.get(block.address) is not block:
            continue
        del left[block.address]
        while kind(text[block.words[-1]]) != "branch":
            following = left.get(block.address + 4 * len(block.words))
            if not following or abs(following.runs - block.runs) > 0.01 * abs(block.runs):
                break
            del left[following.address]
            block = Block(block.address, block.words + following.words, block.runs)
        joined.append(block)
    return joined


def simulate(profile: Profile, core: Core) -> float:
    """Puts LLVM's cycles on the blocks that hold most instructions; gives the share that they hold."""
    total, seen, hot = profile.instructions(), 0.0, []
    for block in sorted(profile.blocks, key=Block.instructions, reverse=True):
        if seen > COVER * total or block.runs <= 0:
            break
        hot.append(block)
        seen += block.instructions()
    regions = (
        f"# LLVM-MCA-BEGIN {number}\n" + "\n".join(simulable(profile.text[word]) for word in block.words) + "\n# LLVM-MCA-END\n"
        for number, block in enumerate(hot)
    )
    source = "".join(regions)
    for model, is_bound in zip(core.models, core.is_bound, strict=True):
        # N1's own dispatch width in LLVM, 3, would allow one load a cycle.
        width = ["-dispatch=4"] if model == "neoverse-n1" else []
        told = llvm(
            "llvm-mca", "-mtriple=aarch64", f"-mcpu={model}", "-mattr=+dotprod,+fullfp16", f"-iterations={ITERATIONS}",
            "-skip-unsupported-instructions=any", "-instruction-info=false", "-resource-pressure=false", *width,
            given=source,
        )  # fmt: skip
        figures = r"Code Region - (\d+)\n.*?Total Cycles: +(\d+).*?Block RThroughput: +([\d.]+)"
        for number, cycles, bound in re.findall(figures, told, re.DOTALL):
            hot[int(number)].cycles[model] = float(bound) if is_bound else int(cycles) / ITERATIONS
    return seen / total


def simulable(text: str) -> str:
    """An instruction as llvm-mca takes it: nothing is called, nothing is where it was."""
    name, _, operands = text.split(" //")[0].partition(" ")
    if name in ("b", "bl", "br", "blr", "ret"):
        return "b #0"  # calls are charged 100 cycles
    if BRANCH.match(name):
        return name + " " + re.sub(r"(^|, )0x[0-9a-f]+$", r"\1#0", operands)
    if name in ("adr", "adrp"):
        return f"mov {operands.split(',')[0]}, #0"
    if name.startswith("ldr") and "[" not in operands:
        return f"{name} {operands.split(',')[0]}, [sp]"
    return "nop" if name in ("svc", "mrs", "udf", "<unknown>") else f"{name} {operands}"
