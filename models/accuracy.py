"""Writes accuracy.csv: ImageNet accuracy and preprocessing of published EfficientNet weights.

    python -m pip install -r ../tests/reference/imports-requirements.txt
    python accuracy.py [TABLE.csv]

TABLE.csv is results/results-imagenet.csv of pytorch-image-models, with timm's figures. Without it, the figures in
accuracy.csv stay, and only the other columns are updated from the installed timm and torchvision.
"""

import sys

sys.dont_write_bytecode = True  # the models folder is shipped without __pycache__

import csv
import re
from importlib.metadata import version
from pathlib import Path

import timm
import torch
import torchvision
from torch import nn

ACCURACY = Path(__file__).resolve().with_name("accuracy.csv")
MODEL = re.compile(r"(tf_)?efficientnet_(?P<network>b[0-8]|lite[0-4])(?P<pruned>_pruned)?\..+")
COLUMNS = ["model", "side", "top1_percent", "top5_percent", "million_parameters", "crop", "filter"]
COLUMNS += ["input", "crop_mode", "checkpoint", "network", "padding", "licence"]
# Our column names, and those of results-imagenet.csv.
FIGURES = {
    "model": "model",
    "side": "img_size",
    "top1_percent": "top1",
    "top5_percent": "top5",
    "million_parameters": "param_count",
    "crop": "crop_pct",
    "filter": "interpolation",
}
INPUTS = {((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)): "imagenet", ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)): "tf"}
LICENCES = {"apache-2.0": "Apache-2.0"}
TABLE = "huggingface/pytorch-image-models@aa4b5850, results/results-imagenet.csv"  # change it with the figures
EPSILON = {"same": 1e-3, "symmetric": 1e-5}
TORCHVISION = "torchvision_"
TORCHVISION_EPSILON = {"b5": 1e-3, "b6": 1e-3, "b7": 1e-3}

HEADER = """\
Accuracy of published EfficientNet weights on the 50,000 pictures of the ImageNet validation set. Made by accuracy.py.

Sources
  timm's figures: {figures} (Apache-2.0).
  How timm's weights are fed: the configurations of timm {timm} (Apache-2.0).
  Rows named torchvision_: the released weights of torchvision {torchvision} (BSD-3-Clause) and the figures it gives
  for them. torchvision did not train all of them: those with "rwightman" in the checkpoint's name (B0 to B4) were
  converted from timm's, those with "lukemelas" (B5 to B7) from EfficientNet-PyTorch's.

Columns
  model               timm's name of architecture and weights, or torchvision_<architecture>.<weights>
  side                pixels of the square input that the figures were measured at; a model may have several rows
  top1_percent        pictures whose class is the first guess
  top5_percent        pictures whose class is among the first five
  million_parameters  with 1,000 classes, batch norm not folded
  crop                part of the resized picture's shorter side that is kept
  filter              of the resize
  input               normalisation of values from 0 to 1. imagenet: mean 0.485, 0.456, 0.406 and deviation 0.229,
                      0.224, 0.225 of red, green, blue; tf: mean 0.5 and deviation 0.5. Google's own EfficientNet-Lite
                      takes (pixel - 127) / 128, at most one level of 255 away from tf.
  crop_mode           center: shorter side resized, middle cut out; squash: both sides resized, the ratio not kept
  checkpoint          name of the weights' own file, less hash and extension; empty where they are only on the Hugging
                      Face hub under the model's name. Not unique: efficientnet_b1 is timm's and torchvision's.
  network             b0 to b8, lite0 to lite4; pruned: of no regular size
  padding             same: TensorFlow's, as much as the rounded-up output needs, the odd pixel right and below, with
                      batch norm epsilon 1e-3; symmetric: half the kernel on every edge, with epsilon 1e-5, but 1e-3 in
                      torchvision's B5 to B7
  licence             of the weights as timm states it (SPDX); torchvision's own for its rows
"""


def timm_figures(table: Path) -> list[dict]:
    """Reads figures from results-imagenet.csv, or from a table with our column names, such as accuracy.csv."""
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    names = FIGURES if FIGURES["side"] in rows[0] else {ours: ours for ours in FIGURES}
    figures = [{ours: row[name] for ours, name in names.items()} for row in rows if MODEL.fullmatch(row["model"])]
    return sorted(figures, key=lambda row: (row["model"], int(row["side"])))


def stem(url: str) -> str:
    """Returns efficientnet_b0_ra for https://…/efficientnet_b0_ra-3dd342df.pth."""
    name, _hash = Path(url).stem.rsplit("-", 1)
    return name


def padding(model: nn.Module, epsilon: float | None = None) -> str:
    """Detects the padding by the first convolution, which has a stride: torch's own class pads symmetrically."""
    first = next(module for module in model.modules() if isinstance(module, nn.Conv2d))
    found = "symmetric" if type(first) is nn.Conv2d else "same"
    epsilons = {module.eps for module in model.modules() if isinstance(module, nn.BatchNorm2d)}
    if epsilons != {epsilon or EPSILON[found]}:
        raise ValueError(f"batch norm epsilon {epsilons} with {found} padding is unknown: describe it in the header")
    return found


def timm_row(figures: dict) -> dict:
    config = timm.get_pretrained_cfg(figures["model"])
    name = MODEL.fullmatch(figures["model"])
    with torch.device("meta"):  # no memory for weights
        pads = padding(timm.create_model(figures["model"], pretrained=False))
    return figures | {
        "input": INPUTS[config.mean, config.std],
        "crop_mode": config.crop_mode,
        "checkpoint": stem(config.url) if config.url else "",
        "network": "pruned" if name["pruned"] else name["network"],
        "padding": pads,
        "licence": LICENCES[config.license],
    }


def torchvision_rows(network: str) -> list[dict]:
    architecture = f"efficientnet_{network}"
    with torch.device("meta"):
        model = torchvision.models.get_model(architecture, weights=None)
    pads = padding(model, TORCHVISION_EPSILON.get(network))
    rows = []
    for weights in torchvision.models.get_model_weights(architecture):
        feed, reached = weights.transforms(), weights.meta["_metrics"]["ImageNet-1K"]
        [side], [resized] = feed.crop_size, feed.resize_size
        rows.append(
            {
                "model": f"{TORCHVISION}{architecture}.{weights.name.lower()}",
                "side": side,
                "top1_percent": f"{reached['acc@1']:.3f}",
                "top5_percent": f"{reached['acc@5']:.3f}",
                "million_parameters": f"{weights.meta['num_params'] / 1e6:.2f}",
                "crop": f"{side / resized:.4f}",
                "filter": feed.interpolation.value,
                "input": INPUTS[tuple(feed.mean), tuple(feed.std)],
                "crop_mode": "center",
                "checkpoint": stem(weights.url),
                "network": network,
                "padding": pads,
                "licence": "BSD-3-Clause",
            }
        )
    return rows


def main() -> None:
    table = Path(sys.argv[1]) if len(sys.argv) > 1 else ACCURACY
    rows = [timm_row(figures) for figures in timm_figures(table)]
    for size in range(8):
        rows += torchvision_rows(f"b{size}")
    header = HEADER.format(figures=TABLE, timm=version("timm"), torchvision=version("torchvision"))
    with ACCURACY.open("w", encoding="utf-8", newline="") as file:
        file.writelines(f"# {line}".rstrip() + "\n" for line in header.splitlines())
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print(f"{len(rows)} rows")


if __name__ == "__main__":
    main()
