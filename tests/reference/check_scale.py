"""Compares networks of `phicam scale --onnx` with ONNX Runtime: its checker, its shape inference, its scores.

    python check_scale.py PHICAM

`phicam models add` adds each network, which then classifies one photograph. ONNX Runtime runs the network's file on the
levels from the program's preprocessing. The exit code is 1 if a difference exceeds 1/1000 of the scores' range.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from PIL import Image

HERE = Path(__file__).resolve().parent
PHOTOGRAPH = HERE.parents[1] / "samples" / "dog.jpg"
# Name of each network, and its arguments for `phicam scale`.
NETWORKS = {
    "b0": ["b0"],
    "b3": ["b3"],
    "b7": ["b7"],
    "lite0": ["lite0"],
    "lite4": ["lite4"],
    "phi-minus-2": ["--family", "b", "--", "-2"],
    "phi-2.5": ["--family", "b", "--", "2.5"],
    "lite-phi-1.5": ["--family", "lite", "--", "1.5"],
}
TOLERANCE = 1e-3  # as a share of the scores' range


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("phicam", type=Path)
    program = arguments.parse_args().phicam.resolve()
    worst = 0.0
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name, options in NETWORKS.items():
            worst = max(worst, compare(program, folder, name, options))
    print(f"{len(NETWORKS)} networks, largest difference {worst:.1e} of the range, {TOLERANCE:.0e} is allowed")
    sys.exit(1 if worst > TOLERANCE else 0)


def compare(program: Path, folder: Path, name: str, options: list[str]) -> float:
    """Returns the largest difference of scores as a share of their range."""
    file, state, dumped = folder / f"{name}.onnx", folder / "state", folder / "dumped"

    def phicam(*words: str) -> str:
        environment = {**os.environ, "PHICAM_STATE": str(state), "RUST_LOG": "error"}
        done = subprocess.run([program, *words], env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SystemExit(f"phicam {' '.join(words)}: {done.stderr}")
        return done.stdout

    phicam("scale", "--onnx", str(file), *options)
    onnx.checker.check_model(str(file), full_check=True)
    added = phicam("models", "add", str(file), "--name", f"seeded-{name}", "--input", "unit", "--labels", "imagenet")
    phicam("classify", str(PHOTOGRAPH), "--model", f"seeded-{name}", "--dump", str(dumped))
    scores = np.fromfile(dumped / f"{PHOTOGRAPH.stem}.f32", "<f4")
    levels = np.asarray(Image.open(dumped / f"{PHOTOGRAPH.stem}.png").convert("RGB"), np.float32)
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    (reference,) = session.run(None, {"image": (levels / 255).transpose(2, 0, 1)[None]})
    extent = float(np.ptp(reference))
    if not np.isfinite(reference).all() or extent < 1e-3:
        raise SystemExit(f"{name}: its scores say nothing: range {extent}")
    difference = float(np.abs(reference[0] - scores).max()) / extent
    side = levels.shape[0]
    same = int(reference.argmax()) == int(scores.argmax())
    print(f"{name}@{side}: range {extent:.2f}, difference {difference:.1e}, same class {same}; {added.splitlines()[0]}")
    file.unlink()
    phicam("models", "remove", f"seeded-{name}")
    return difference if same else 1.0


if __name__ == "__main__":
    main()
