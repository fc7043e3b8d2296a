"""Compares Phicam's CPU engine with others on this machine.

Same weights, same picture. Every measurement is a process of its own; in each round all engines take their turn on a network
before the next one's, in an order that the seed shuffles, so that a machine that slows down slows all of them.
"""

import argparse
import gzip
import json
import os
import random
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import machine
import table
from engines import ENGINES, Failure
from networks import DEFAULT, PEERS, ROOT, Prepared, prepare

# What a results file holds of each process's samples, so that it stays small; medians are of all of them.
MOST_SAMPLES = 120_000


def arguments() -> argparse.Namespace:
    def listed(kind: type = str):
        return lambda text: [kind(word) for word in text.split(",") if word]

    parser = argparse.ArgumentParser(prog="just bench-peers", description=__doc__.splitlines()[0])
    networks = f"networks with their sides: lite0 to lite2 have real weights, others seeded ones [{','.join(DEFAULT)}]"
    parser.add_argument("--networks", type=listed(), default=DEFAULT, metavar="A@N,B@N", help=networks)
    engines = f"of {','.join(ENGINES)} [all that are here]"
    parser.add_argument("--engines", type=listed(), default=[], metavar="A,B", help=engines)
    parser.add_argument("--threads", type=listed(int), default=[1, 2], metavar="N,M", help="threads of an engine [1,2]")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="how often all take their turn [5]")
    parser.add_argument("--seconds", type=float, default=2.0, help="how long each turn is timed, after a warm-up [2]")
    parser.add_argument("--seed", type=int, default=1, help="of the order of turns [1]")
    parser.add_argument(
        "--out", type=Path, default=ROOT / "docs" / "results", metavar="DIR", help="[docs/results]"
    )
    chosen = parser.parse_args()
    unknown = [name for name in chosen.engines if name not in ENGINES]
    if unknown:
        parser.error(f"no engine {unknown[0]}; there are {', '.join(ENGINES)}")
    if chosen.rounds < 1 or min(chosen.threads, default=0) < 1 or not chosen.networks:
        parser.error("at least one network, one thread and one round")
    return chosen


def here(chosen: list[str], vectors: list[str]) -> list[str]:
    """The engines to run; names those that are left out."""
    missing = {name: why for name, engine in ENGINES.items() if (why := engine.missing(vectors))}
    for name in chosen:
        if name in missing:
            raise SystemExit(f"{name}: {missing[name]}")
    if not chosen:
        for name, why in missing.items():
            print(f"{name} is left out: {why}", file=sys.stderr)
    return chosen or [name for name in ENGINES if name not in missing]


def measure_peaks(threads: list[int], peaks: dict[int, dict]) -> None:
    """Puts what `fma` measures into `peaks`, by number of threads, where it is more than what is there.

    Nothing where it knows no instruction of this CPU. It is a bound, so the best of all rounds counts.
    """
    for count in threads:
        done = subprocess.run([PEERS / "fma", str(count)], capture_output=True, text=True, check=False)
        told = json.loads(done.stdout) if done.returncode == 0 else {"macs_per_second": 0}
        if told["macs_per_second"] > peaks.get(count, {"macs_per_second": 0})["macs_per_second"]:
            peaks[count] = told


def measure_all(
    chosen: argparse.Namespace, engines: list[str], networks: list[Prepared], peaks: dict[int, dict]
) -> tuple[list, list]:
    """Measurements and failures, in the order in which they were made."""
    order, measurements, failures, failed = random.Random(chosen.seed), [], [], set()
    for number in range(chosen.rounds):
        measure_peaks(chosen.threads, peaks)
        for network in networks:
            for threads in chosen.threads:
                for name in order.sample(engines, len(engines)):
                    which = {"network": network.name, "threads": threads, "engine": name}
                    if (network.name, threads, name) in failed:
                        continue
                    neighbours, load = machine.Neighbours.watch(), os.getloadavg()[0]
                    try:
                        told = ENGINES[name].measure(network, threads, chosen.seconds)
                    except Failure as failure:
                        failed.add((network.name, threads, name))
                        failures.append(which | {"round": number, "why": str(failure)})
                        print(f"FAILED {name} on {network.name}, threads {threads}: {failure}", file=sys.stderr)
                        continue
                    meanwhile = {"load_average": load} | neighbours.took()
                    measurements.append(which | {"round": number} | told | meanwhile)
            print(f"round {number + 1} of {chosen.rounds}: {network.name} done", file=sys.stderr)
    return measurements, failures


def small(measurements: list[dict]) -> list[dict]:
    """With samples in whole microseconds, and of many evenly chosen ones; `runs` says how many there were."""
    most = max(MOST_SAMPLES // max(len(measurements), 1), 20)

    def of(measurement: dict) -> dict:
        samples = measurement["samples_ms"]
        step = -(-len(samples) // most)
        kept = [round(sample, 3) for sample in samples[::step]]
        numbers = {key: float(f"{value:.6g}") for key, value in measurement.items() if isinstance(value, float)}
        return measurement | numbers | {"runs": len(samples), "samples_ms": kept}

    return [of(measurement) for measurement in measurements]


def write(folder: Path, results: dict, text: str) -> Path:
    """Into a folder of its own, by date, CPU and commit."""
    cpu = re.sub(r"[^a-z0-9]+", "-", results["cpu"]["name"].lower().replace("(r)", "").replace("(tm)", "")).strip("-")
    name = f"{results['date'][:10]}-{cpu}-{results['commit']}"
    into, number = folder / name, 1
    while into.exists():
        number += 1
        into = folder / f"{name}-{number}"
    into.mkdir(parents=True)
    content = json.dumps(results | {"measurements": small(results["measurements"])}, separators=(",", ":"))
    (into / "results.json.gz").write_bytes(gzip.compress(content.encode(), 9, mtime=0))
    (into / "table.md").write_text(text)
    return into


def main() -> None:
    chosen, cpu = arguments(), machine.cpu()
    engines = here(chosen.engines, cpu["vectors"])
    networks = [prepare(name, ROOT / "target" / "release" / "phicam") for name in chosen.networks]
    # Of what was built; the tree may change while this runs.
    date, commit, peaks = datetime.now(UTC).isoformat(timespec="seconds"), machine.commit(), {}
    measurements, failures = measure_all(chosen, engines, networks, peaks)
    told = {measurement["engine"]: measurement["version"] for measurement in measurements}
    results = {
        "date": date,
        "commit": commit,
        "cpu": cpu,
        "versions": told | ({"tract": machine.tract_version()} if "tract" in told else {}),
        "settings": {"rounds": chosen.rounds, "seconds": chosen.seconds, "seed": chosen.seed},
        "macs": {network.name: network.macs for network in networks},
        "fma": peaks,
        "failures": failures,
        "measurements": measurements,
    }
    text = table.table(results)
    print(text)
    print(f"written into {write(chosen.out, results, text)}", file=sys.stderr)
    for failure in failures:
        print("{engine} failed on {network}, threads {threads}: {why}".format(**failure), file=sys.stderr)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
