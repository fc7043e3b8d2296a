"""Compares the program with ONNX Runtime: equal files and equal input levels, for every variant and every sample.

    python check.py ../../target/release/phicam

`classify --dump` writes the model's input levels and its scores; ONNX Runtime gets the dumped levels, normalised here.
The exit code is 1 if a first prediction differs, or if a score differs by more than `TOLERANCE`.
"""

import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
TOLERANCE = 1e-3


def normalise(levels: Path, contract: dict) -> np.ndarray:
    """Returns the normalised levels as 1 × 3 × side × side."""
    pixels = np.asarray(Image.open(levels).convert("RGB"), np.float32)
    values = (pixels - np.float32(contract["mean"])) / np.float32(contract["scale"])
    return np.ascontiguousarray(values.transpose(2, 0, 1)[None])


def compare(program: Path, variant: dict, catalog: dict, photos: list[Path], dumped: Path) -> tuple[int, float]:
    """Returns the number of equal first predictions and the largest difference of a score."""
    command = [program, "classify", "--model", variant["name"], "--dump", dumped, *photos]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    file = ROOT / "models" / catalog["network"][variant["network"]]["file"]
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    agreeing, apart = 0, 0.0
    for photo in photos:
        levels = dumped / f"{photo.stem}.png"
        [expected] = session.run(None, {"image": normalise(levels, catalog["input"][variant["input"]])})
        found = np.fromfile(dumped / f"{photo.stem}.f32", "<f4")
        agreeing += int(found.argmax() == expected[0].argmax())
        apart = max(apart, float(np.abs(found - expected[0]).max()))
    return agreeing, apart


def main() -> None:
    program = Path(sys.argv[1]).resolve()
    catalog = tomllib.loads((ROOT / "models/catalog.toml").read_text(encoding="utf-8"))
    photos = sorted((ROOT / "samples").glob("*.jpg"))
    faults = 0
    for variant in catalog["variant"]:
        with tempfile.TemporaryDirectory() as dumped:
            agreeing, apart = compare(program, variant, catalog, photos, Path(dumped))
        good = agreeing == len(photos) and apart <= TOLERANCE
        faults += not good
        print(f"{variant['name']:<12} {agreeing} of {len(photos)} first predictions agree, scores within {apart:.1e}{'' if good else '  FAILED'}")
    passed = len(catalog["variant"]) - faults
    print(f"{passed} passed, {faults} failed")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
