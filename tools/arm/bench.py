"""Counts what the CPU engine and its peers do for one inference on ARM cores, without one: instructions, simulated cycles, memory.

`just bench-arm` calls it. Each engine runs in qemu, one thread, twice with a different number of inferences: the difference is
theirs alone, loading is not in it.
"""

import argparse
import datetime
import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import guest

sys.path.insert(0, str(guest.ROOT / "tools/peers"))
import machine  # noqa: E402
import networks  # noqa: E402
import numpy as np  # noqa: E402
import blocks  # noqa: E402
import cache  # noqa: E402
from engines import Failure, difference  # noqa: E402

INFER = guest.ROOT / "target/aarch64-unknown-linux-gnu/release/examples/infer"
TITLES = {
    "phicam": "Phicam",
    "litert": "LiteRT",
    "ncnn": "ncnn",
    "onnxruntime": "ONNX Runtime",
    "tract": "stock tract",
}
RIVALS = ["litert", "ncnn", "onnxruntime"]
RUNS = (1, 3)


@dataclass(frozen=True)
class Case:
    network: networks.Prepared
    engine: str
    core: guest.Core

    def command(self, scores: Path, runs: int) -> list[str]:
        end = [str(scores), "1", f"{runs}x"]
        if self.engine in ("phicam", "tract"):
            picture = self.network.folder / "input.f32"
            return [str(INFER), str(self.network.source), str(self.network.side), str(picture), *end]
        python = [str(guest.ARM / "root/usr/bin/python3.11"), "-S"]
        return [*python, str(guest.ROOT / "tools/peers/infer.py"), self.engine, str(self.network.folder), *end]

    def count(self, plugin: str, options: dict[str, str], folder: Path) -> tuple[Path, Path]:
        """The plugin's results for few and for many inferences; Failure where the scores are not the others'."""
        if self.engine in self.network.failures:
            raise Failure(self.network.failures[self.engine])
        results = []
        for runs in RUNS:
            result, scores = folder / f"{plugin}-{runs}", folder / "scores.f32"
            kernels = {"tract": "none"}.get(self.engine, "")
            try:
                guest.run(self.core, plugin, options | {"out": str(result)}, self.command(scores, runs), kernels)
            except RuntimeError as error:
                raise Failure(str(error)) from None
            results.append(result)
        difference(np.fromfile(scores, "<f4"), self.network.reference())
        return results[0], results[1]


def measure(case: Case, boards: list[str]) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        few, many = case.count("blocks", {}, Path(folder))
        found = blocks.read(few, many, RUNS[1] - RUNS[0])
        simulated = blocks.simulate(found, case.core)
        figures = {
            "million_instructions": found.instructions() / 1e6,
            "million_by_class": {name: runs / 1e6 for name, runs in found.by_class().most_common()},
            "simulated_share": simulated,
            "million_cycles": {model: found.cycles(model) / 1e6 for model in case.core.models},
            "traffic_mb": {},
        }
        for board in boards:
            few, many = case.count("cache", {"levels": cache.BOARDS[board]}, Path(folder))
            counted = cache.read(few, many, RUNS[1] - RUNS[0])
            figures["traffic_mb"][board] = vars(counted) | {"total_mb": counted.total_mb()}
    return figures


def columns(core: guest.Core) -> list[tuple[str, str]]:
    """Titles of a core's cycles, and LLVM's names of them."""
    names = {"cortex-a53": "A53, bound", "cortex-a55": "A55 model", "cortex-a72": "A72", "neoverse-n1": "A76"}
    return [(names[model], model) for model in core.models]


def table(network: networks.Prepared, results: dict[str, dict[str, dict]], boards: list[str]) -> str:
    """Markdown: a line an engine, in brackets beside the cycles × the best rival's."""
    cores = [guest.CORES[name] for name in results]
    engines = list(dict.fromkeys(engine for by_engine in results.values() for engine in by_engine))
    heads, cells = [], {engine: [] for engine in engines}

    def column(head: str, values: dict[str, float]) -> None:
        heads.append(head)
        best = min((values[rival] for rival in RIVALS if rival in values), default=None)
        for engine in engines:
            value = values.get(engine)
            ratio = f" ({value / best:.2f})" if value and best else ""
            cells[engine].append("–" if value is None else f"{value:.1f}{ratio}")

    for core in cores:
        by_engine = results[core.name]
        for title, model in columns(core):
            column(f"{title}, M cycles", {engine: figures["million_cycles"][model] for engine, figures in by_engine.items()})
    for board in boards:
        by_engine = results.get(cache.CORES[board], {})
        column(f"{board}, MB", {engine: figures["traffic_mb"][board]["total_mb"] for engine, figures in by_engine.items()})
    floor = network.macs / 4e6
    lines = [
        f"### {network.name}: {network.macs / 1e6:.1f} M MACs, at least {floor:.1f} M vector multiply-adds "
        f"(A72: one a cycle, A76: two)",
        "",
        "| engine | " + " | ".join(heads) + " |",
        "|---|" + "--:|" * len(heads),
        *(f"| {TITLES[engine]} | " + " | ".join(cells[engine]) + " |" for engine in engines),
    ]
    return "\n".join(lines)


def main() -> int:
    lists = lambda text: text.split(",")  # noqa: E731
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", type=lists, default=["lite0@224", "b0@224"])
    parser.add_argument("--engines", type=lists, default=list(TITLES))
    parser.add_argument("--cores", type=lists, default=list(guest.CORES))
    parser.add_argument("--boards", type=lists, default=["pi4"], help=f"caches: {', '.join(cache.BOARDS)}")
    parser.add_argument("--out", type=Path, help="folder for the results; else one in docs/results")
    options = parser.parse_args()
    for wanted, known in ((options.engines, TITLES), (options.cores, guest.CORES), (options.boards, cache.BOARDS)):
        if unknown := [name for name in wanted if name and name not in known]:
            parser.error(f"{unknown[0]} is none of {', '.join(known)}")
    day, commit = datetime.date.today().isoformat(), machine.commit()  # of what was built; the tree may change
    boards, failed, raw, tables = [board for board in options.boards if board], False, {}, []
    for name in options.networks:
        network = networks.prepare(name, guest.ROOT / "target/release/phicam")
        results: dict[str, dict[str, dict]] = {}
        for core_name in options.cores:
            of_core = [board for board in boards if cache.CORES[board] == core_name]
            for engine in options.engines:
                print(f"{name} on {core_name}: {TITLES[engine]}", file=sys.stderr, flush=True)
                try:
                    figures = measure(Case(network, engine, guest.CORES[core_name]), of_core)
                except Failure as failure:
                    print(f"{name} on {core_name}: {TITLES[engine]}: {failure}", file=sys.stderr)
                    failed = True
                    continue
                results.setdefault(core_name, {})[engine] = figures
        raw[name] = results
        tables.append(table(network, results, boards))
    text = "\n\n".join(tables)
    print(text)
    out = options.out or guest.ROOT / "docs/results" / f"{day}-simulated-arm-{commit}"
    out.mkdir(parents=True, exist_ok=True)
    (out / "table.md").write_text(f"Simulated, {day}, commit {commit}; see docs/benchmarks.md.\n\n{text}\n")
    (out / "results.json").write_text(json.dumps({"date": day, "commit": commit, "networks": raw}, indent=1))
    print(f"written to {out}", file=sys.stderr)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
