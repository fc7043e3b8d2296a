"""Is the pick the same each time, and does it hold? `just check-pick`: five rates, three picks each, all measured anew, a minute
of the line; again with one core stolen. Needs a machine that does nothing else, and Python 3.11 alone. The result goes below
docs/results."""

import argparse
import datetime
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PHICAM = ROOT / "target" / "release" / "phicam"
# What webcams offer. 60 is the hard one: there a variant may be within the spread of its limit where times wander.
FRAMES_A_SECOND = (10, 15, 25, 30, 60)
PICKS = 3
SETTLE_SECONDS = 25  # the pick has to hold for twenty, or it is stepped down from
SECONDS = 60


def pick(rate: float, state: Path) -> str:
    """What is picked where everything is measured anew. What was picked there before is remembered."""
    words = [PHICAM, "pick", "--fps", str(rate), "--json", "--remeasure"]
    done = subprocess.run(words, env=os.environ | {"PHICAM_STATE": str(state)}, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[0])["variant"]


def line(rate: float, state: Path) -> dict:
    """The line at that rate with what was picked last, answering for a minute after it has settled."""
    words = [PHICAM, "run", "--camera", f"pattern:640x480@{rate}", "--display", "none", "--json"]
    words += ["--fps", str(rate), "--frames", str(int(rate * (SETTLE_SECONDS + SECONDS)))]
    environment = os.environ | {"PHICAM_STATE": str(state), "RUST_LOG": "info"}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    answers = [json.loads(row) for row in done.stdout.splitlines()]
    answers = answers[int(rate * SETTLE_SECONDS) :]
    times = sorted(answer["total_ms"] for answer in answers)
    models: dict[str, int] = {}
    for answer in answers:
        models[answer["model"]] = models.get(answer["model"], 0) + 1
    changes = sum(row.startswith(("info: down to", "info: up to")) for row in done.stderr.splitlines())
    return {"p95_ms": times[int(len(times) * 0.95)], "answers": len(times), "models": models, "changes": changes}


def condition(name: str, rates: list[float]) -> list[dict]:
    rows = []
    for rate in rates:
        with tempfile.TemporaryDirectory() as folder:
            variants = [pick(rate, Path(folder)) for _ in range(PICKS)]
            held = line(rate, Path(folder))
        row = {"condition": name, "frames_a_second": rate, "budget_ms": 1000 / rate, "variants": variants, **held}
        same, within = len(set(variants)) == 1, held["p95_ms"] <= 1000 / rate
        verdict = f"{'same' if same else 'NOT THE SAME'}, {'within' if within else 'OVER'} the budget"
        print(f"{name:<12} {rate:>4}/s  {', '.join(variants):<42} line p95 {held['p95_ms']:6.2f} of {1000 / rate:6.2f} ms, "
              f"{held['changes']} changes: {verdict}", flush=True)
        rows.append(row)
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="a file for the rows, as JSON")
    parser.add_argument("--rates", default=FRAMES_A_SECOND, type=lambda text: [float(rate) for rate in text.split(",")])
    arguments = parser.parse_args()
    rows = condition("quiet", arguments.rates)
    thief = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        rows += condition("core stolen", arguments.rates)
    finally:
        thief.kill()
        thief.wait()
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    date = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d")
    if arguments.out:
        arguments.out.write_text(json.dumps({"date": date, "commit": commit, "rows": rows}, indent=1) + "\n")
    good = all(len(set(row["variants"])) == 1 and row["p95_ms"] <= row["budget_ms"] for row in rows)
    print("all the same and within their budgets" if good else "see above for what is not")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
