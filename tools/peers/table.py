"""The comparison in Markdown: medians, ratios to the fastest rival, what the CPU could do at most, and what to doubt."""

from collections.abc import Callable
from statistics import mean, median

from engines import ENGINES, RIVALS

# Of others' work, in cores, and of time that another virtual machine took: more than this shows in the figures.
QUIET_CORES = 0.1
# Of CPU time over threads: more says that an engine uses other threads than it was told to.
MOST_CORES_OVER = 0.15


class Figures:
    """What was measured of each engine on each network with each number of threads."""

    def __init__(self, results: dict) -> None:
        self.results = results
        self.cells: dict[tuple[str, int, str], list[dict]] = {}
        for measurement in results["measurements"]:
            key = (measurement["network"], measurement["threads"], measurement["engine"])
            self.cells.setdefault(key, []).append(measurement)
        self.networks = list(results["macs"])
        self.threads = sorted({threads for _, threads, _ in self.cells})
        self.engines = [name for name in ENGINES if any(engine == name for _, _, engine in self.cells)]

    def rounds_ms(self, network: str, threads: int, engine: str) -> list[float]:
        """The median of each round."""
        return [median(measurement["samples_ms"]) for measurement in self.cells.get((network, threads, engine), [])]

    def ms(self, network: str, threads: int, engine: str) -> float | None:
        """The median of the rounds' medians: a round that was disturbed does not count more than another."""
        rounds = self.rounds_ms(network, threads, engine)
        return median(rounds) if rounds else None

    def fastest(self, network: str, threads: int) -> tuple[float, str] | None:
        """The rival that is."""
        found = [(ms, engine) for engine in RIVALS if (ms := self.ms(network, threads, engine)) is not None]
        return min(found, default=None)

    def floor_ms(self, network: str, threads: int) -> float | None:
        peak = self.results["fma"].get(threads)
        return self.results["macs"][network] / peak["macs_per_second"] * 1e3 if peak else None

    def details(self) -> list[str]:
        """What each engine says of how it ran."""
        told = {measurement["engine"]: measurement["detail"] for measurement in self.results["measurements"]}
        return [f"{ENGINES[name].title}: {told[name]}" for name in self.engines]

    def of_first(self, network: str, engine: str, number: Callable[[dict], float]) -> float | None:
        """The median of another figure, with the fewest threads."""
        found = [number(measurement) for measurement in self.cells.get((network, self.threads[0], engine), [])]
        return median(found) if found else None


def table(results: dict) -> str:
    figures = Figures(results)
    if not figures.cells:
        return "Nothing was measured.\n"
    parts = [head(results, figures), against_rivals(figures)]
    parts += [of_network(figures, network) for network in figures.networks]
    parts.append(doubts(results, figures))
    return "\n".join(parts)


def head(results: dict, figures: Figures) -> str:
    cpu, settings = results["cpu"], results["settings"]
    sharing = [group for group in cpu["threads_that_share_a_core"] if "," in group or "-" in group]
    shared = f", hardware threads {' and '.join(sharing)} share a core" if sharing else ""
    titles = [f"{ENGINES[name].title} {results['versions'][name]}" for name in figures.engines if name != "phicam-avx2"]
    loads = [measurement["load_average"] for measurement in results["measurements"]]
    lines = [
        f"{cpu['name']} (family {cpu['family']}, model {cpu['model']}), {cpu['threads']} hardware threads{shared}; "
        f"{results['date'][:10]}, commit {results['commit']}.",
        f"{', '.join(titles)}.",
        f"Medians of {settings['rounds']} rounds of {settings['seconds']:g} s, in parentheses the least and the most of a round; "
        "× is the ratio to the fastest of ONNX Runtime, LiteRT, OpenVINO and ncnn. Batch 1, single precision.",
        *(
            f"Peak: {peak['macs_per_second'] / 1e9:.1f} thousand million multiply-accumulates a second were measured "
            f"in registers ({peak['instructions']}, threads: {threads})."
            for threads, peak in results["fma"].items()
        ),
        f"Load average before the processes: {min(loads):.1f} to {max(loads):.1f}, median {median(loads):.1f}.",
    ]
    return "\n".join(f"{line}  " for line in lines) + "\n"


def against_rivals(figures: Figures) -> str:
    """The figure that it is all about."""
    lines = [
        "| Phicam's time over that of the fastest rival | " + " | ".join(map(threads_title, figures.threads)) + " |",
        "|---|" + "---|" * len(figures.threads),
    ]
    for network in figures.networks:
        cells = []
        for threads in figures.threads:
            ours, rival = figures.ms(network, threads, "phicam"), figures.fastest(network, threads)
            known = ours is not None and rival
            cells.append(f"**{ours / rival[0]:.2f}** of {ENGINES[rival[1]].title}" if known else "–")
        lines.append(f"| {network} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def of_network(figures: Figures, network: str) -> str:
    titles = "".join(f" {threads_title(threads)}, ms | × |" for threads in figures.threads)
    lines = [
        f"| {network}, {figures.results['macs'][network] / 1e6:.0f} M MACs |{titles} CPU ms | load ms | first ms | peak MiB |",
        "|---|" + "--:|" * (2 * len(figures.threads) + 4),
    ]
    forms = [".1f", ".0f", ".0f", ".0f"]
    for engine in figures.engines:
        cells = "".join(
            cell(figures.rounds_ms(network, threads, engine), figures.fastest(network, threads))
            for threads in figures.threads
        )
        others = [
            figures.of_first(network, engine, number)
            for number in (
                lambda told: told["cpu_ms"],
                lambda told: told["load_ms"],
                lambda told: told["first_ms"],
                lambda told: told["peak_rss_mib"] - told["base_rss_mib"],
            )
        ]
        cells += "".join(" – |" if number is None else f" {number:{form}} |" for number, form in zip(others, forms))
        lines.append(f"| {ENGINES[engine].title} |{cells}")
    floors = [figures.floor_ms(network, threads) for threads in figures.threads]
    if all(floors):
        rivals = [figures.fastest(network, threads) for threads in figures.threads]
        cells = "".join(cell([floor], rival) for floor, rival in zip(floors, rivals))
        lines.append(f"| *FMA floor* |{cells} | | | |")
    return "\n".join(lines) + "\n"


def threads_title(threads: int) -> str:
    return "1 thread" if threads == 1 else f"{threads} threads"


def cell(rounds_ms: list[float], fastest: tuple[float, str] | None) -> str:
    """Milliseconds, and how many times the fastest rival's."""
    if not rounds_ms:
        return " – | – |"
    ms = median(rounds_ms)
    spread = f" ({min(rounds_ms):.2f}–{max(rounds_ms):.2f})" if len(rounds_ms) > 1 else ""
    return f" {ms:.2f}{spread} | {ms / fastest[0]:.2f} |" if fastest else f" {ms:.2f}{spread} | – |"


def doubts(results: dict, figures: Figures) -> str:
    """Why a figure may not be what it seems."""
    lines = [
        f"With {threads_title(figures.threads[0])}: CPU is processor time of a picture, which others' work disturbs less; "
        "load is from the file to an engine that is ready, first the first picture, peak the memory over that of the "
        "process before.",
        f"Scores: all within {max(told['difference'] for told in results['measurements']):.1e} of their range of "
        "ONNX Runtime's, the same best five.",
        f"{'; '.join(figures.details())}.",
    ]
    for name, what in (("others_cores", "other programs of this machine"), ("stolen_cores", "other virtual machines")):
        took = [told[name] for told in results["measurements"]]
        if mean(took) > QUIET_CORES:
            lines.append(f"**Not quiet:** {what} took {mean(took):.2f} cores meanwhile, at most {max(took):.2f}.")
    for (network, threads, engine), rounds in figures.cells.items():
        cores = median(told["cpu_ms"] * len(told["samples_ms"]) / sum(told["samples_ms"]) for told in rounds)
        if cores > threads + MOST_CORES_OVER:
            title = ENGINES[engine].title
            lines.append(
                f"**Doubtful:** {title} kept {cores:.1f} cores busy on {network} with {threads_title(threads)}."
            )
    for failure in results["failures"]:
        title, threads = ENGINES[failure["engine"]].title, threads_title(failure["threads"])
        lines.append(f"**Failed:** {title} on {failure['network']}, {threads}: {failure['why']}")
    return "\n".join(f"- {line}" for line in lines) + "\n"
