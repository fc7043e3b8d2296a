"""Makes imports/: the scores of timm, torchvision and EfficientNet-PyTorch with weights from seeded.py.

    python -m pip install -r imports-requirements.txt
    python imports.py [--weights FOLDER]

`--weights` also writes each case's tensors as `<case>.pth` and `<case>.safetensors`, for imports by hand.
"""

import sys

sys.dont_write_bytecode = True

import argparse
import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import efficientnet_lite_pytorch
import efficientnet_pytorch
import numpy as np
import safetensors.torch
import timm
import torch
import torchvision
from torch import nn

import seeded
from pictures import json_lines

FOLDER = Path(__file__).resolve().parent / "imports"
OTHER_EPSILON = {1e-3: 1e-5, 1e-5: 1e-3}
# A wrong epsilon or wrong pads must change a score by more than this share of the range: only then can tests notice it.
TELLING = 1e-3


@dataclass(frozen=True)
class Case:
    naming: str  # of the tensors: timm, torchvision or lukemelas, the author of EfficientNet-PyTorch
    model: str
    side: int
    classes: int
    padding: str  # "same" is TensorFlow's, "symmetric" pads half the kernel on every edge

    @property
    def name(self) -> str:
        return f"{self.naming}-{self.model}@{self.side}"


CASES = [
    Case("timm", "tf_efficientnet_b0", 224, 1000, "same"),
    Case("timm", "efficientnet_b0", 224, 1000, "symmetric"),
    Case("timm", "tf_efficientnet_lite0", 224, 1000, "same"),
    Case("timm", "efficientnet_lite0", 224, 1000, "symmetric"),
    # With side 97 every strided layer has an odd side, and both paddings are equal; with 113 all but the last one.
    Case("timm", "tf_efficientnet_b0", 97, 7, "same"),
    Case("timm", "efficientnet_b0", 97, 7, "symmetric"),
    Case("timm", "tf_efficientnet_b0", 113, 7, "same"),
    Case("timm", "efficientnet_b0", 113, 7, "symmetric"),
    Case("timm", "tf_efficientnet_b3", 300, 10, "same"),
    Case("torchvision", "efficientnet_b0", 224, 1000, "symmetric"),
    Case("torchvision", "efficientnet_b0", 97, 7, "symmetric"),
    Case("torchvision", "efficientnet_b5", 128, 10, "symmetric"),
    Case("lukemelas", "efficientnet-b0", 224, 1000, "same"),
    Case("lukemelas", "efficientnet-lite0", 224, 1000, "same"),
]
# Networks whose tensors are listed individually, as the reference for names.
NAMED = [
    ("timm", "tf_efficientnet_b0"),
    ("timm", "tf_efficientnet_lite0"),
    ("torchvision", "efficientnet_b0"),
    ("lukemelas", "efficientnet-b0"),
]
# Networks whose tensors are only counted and hashed.
COUNTED = {
    "timm": [
        *(f"{prefix}efficientnet_b{size}" for prefix in ("tf_", "") for size in range(9)),
        *(f"{prefix}efficientnet_lite{size}" for prefix in ("tf_", "") for size in range(5)),
    ],
    "torchvision": [f"efficientnet_b{size}" for size in range(8)],
    "lukemelas": [*(f"efficientnet-b{size}" for size in range(9)), *(f"efficientnet-lite{size}" for size in range(5))],
}
# A tensor of each kind in timm's tf_efficientnet_b0, as test data for generators in other programs.
SAMPLED = ["conv_stem.weight", "bn1.weight", "bn1.bias", "bn1.running_mean", "bn1.running_var"]
SAMPLED += ["blocks.0.0.se.conv_reduce.bias", "classifier.weight", "classifier.bias"]


def package(naming: str, model: str) -> str:
    if naming != "lukemelas":
        return naming
    return "efficientnet-lite-pytorch" if "lite" in model else "efficientnet-pytorch"


def build(naming: str, model: str, side: int | None = None, classes: int = 1000) -> nn.Module:
    """Returns an untrained network. Only EfficientNet-PyTorch needs the side: it computes its pads when built."""
    if naming == "timm":
        return timm.create_model(model, pretrained=False, num_classes=classes).eval()
    if naming == "torchvision":
        return torchvision.models.get_model(model, weights=None, num_classes=classes).eval()
    library = efficientnet_lite_pytorch if "lite" in model else efficientnet_pytorch
    given = {"image_size": side} if side else {}
    return library.EfficientNet.from_name(model, num_classes=classes, **given).eval()


def shapes(model: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(values.shape) for name, values in model.state_dict().items()}


def load_seeded(model: nn.Module) -> None:
    tensors = seeded.state_dict(shapes(model))
    model.load_state_dict({name: torch.from_numpy(values) for name, values in tensors.items()}, strict=True)


def scores(model: nn.Module, side: int, precision: torch.dtype) -> np.ndarray:
    with torch.inference_mode():
        return model.to(precision)(torch.from_numpy(seeded.picture(side)).to(precision))[0].double().numpy()


def modules(model: nn.Module, kind: type) -> list[nn.Module]:
    return [module for module in model.modules() if isinstance(module, kind)]


def epsilon(model: nn.Module) -> float:
    [found] = {norm.eps for norm in modules(model, nn.BatchNorm2d)}
    return found


class Padded(nn.Module):
    """A convolution of any of the libraries with pads that this script chooses."""

    def __init__(self, convolution: nn.Conv2d, padding: str):
        super().__init__()
        self.convolution, self.padding = convolution, padding

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        [kernel], [stride] = set(self.convolution.kernel_size), set(self.convolution.stride)
        [size] = set(x.shape[2:])
        before = after = kernel // 2
        if self.padding == "same":
            needed = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
            before, after = needed // 2, needed - needed // 2
        padded = nn.functional.pad(x, (before, after, before, after))
        return nn.functional.conv2d(
            padded, self.convolution.weight, self.convolution.bias, stride, groups=self.convolution.groups
        )


def with_padding(model: nn.Module, padding: str) -> nn.Module:
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.Conv2d):
                setattr(module, name, Padded(child, padding))
    return model


def with_epsilon(model: nn.Module, value: float) -> nn.Module:
    for norm in modules(model, nn.BatchNorm2d):
        norm.eps = value
    return model


def make_case(case: Case, weights: Path | None) -> dict:
    def fresh() -> nn.Module:
        model = build(case.naming, case.model, case.side, case.classes)
        load_seeded(model)
        return model

    def double(change: Callable[[nn.Module], nn.Module]) -> np.ndarray:
        return scores(change(fresh()), case.side, torch.float64)

    model = fresh()
    if weights:
        keep_weights(model, weights / case.name)
    eps = epsilon(model)
    single = scores(model, case.side, torch.float32)
    expected = double(lambda model: model)
    expected.astype("<f4").tofile(FOLDER / f"{case.name}.f32")

    spread = float(np.ptp(expected))
    if not np.allclose(double(lambda model: with_padding(model, case.padding)), expected, rtol=0, atol=1e-9 * spread):
        raise SystemExit(f"{case.name} does not pad as {case.padding}")
    other = "symmetric" if case.padding == "same" else "same"
    changed = {
        "epsilon": double(lambda model: with_epsilon(model, OTHER_EPSILON[eps])),
        "padding": double(lambda model: with_padding(model, other)),
    }
    wrong = {rule: digits(np.abs(found - expected).max() / spread) for rule, found in changed.items()}
    if case.side % 32 != 1 and min(wrong.values()) <= TELLING:
        raise SystemExit(f"{case.name} does not tell a mistake: {wrong}")
    library = package(case.naming, case.model)
    return {
        "name": case.name,
        "library": f"{library} {version(library)}",
        "model": case.model,
        "naming": case.naming,
        "side": case.side,
        "classes": case.classes,
        "padding": case.padding,
        "eps": eps,
        "range": digits(spread),
        "float32_apart": digits(np.abs(single - expected).max()),
        "wrong": wrong,
    }


def digits(value: float) -> float:
    """Returns the value with three significant digits; 0 if it is only a rounding error."""
    return float(f"{value:.3g}") if value > 1e-9 else 0.0


def keep_weights(model: nn.Module, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(model.state_dict(), f"{path}.pth")
    safetensors.torch.save_file(model.state_dict(), f"{path}.safetensors")


def count(naming: str, model: str) -> dict:
    with torch.device("meta"):  # no memory for weights: only their shapes are needed
        built = build(naming, model)
    listed = {name: shape for name, shape in shapes(built).items() if not name.endswith(".num_batches_tracked")}
    lines = "\n".join(f"{name} {'x'.join(map(str, shape))}" for name, shape in sorted(listed.items()))
    return {
        "parameters": sum(values.numel() for values in built.parameters()),
        "tensors": len(listed),
        "eps": epsilon(built),
        "digest": hashlib.sha256(lines.encode()).hexdigest(),
    }


def sampled() -> list[dict]:
    known = shapes(build("timm", "tf_efficientnet_b0"))
    wanted = [(name, known[name], seeded.kind(name, len(known[name]), known)) for name in SAMPLED]
    wanted.append((seeded.INPUT, (1, 3, 97, 97), "input"))
    rows = []
    for name, shape, kind in wanted:
        values = seeded.tensor(name, shape, kind)
        first = [float(value) for value in values.ravel()[:3]]
        sha256 = hashlib.sha256(values.astype("<f4").tobytes()).hexdigest()
        rows.append({"name": name, "kind": kind, "shape": shape, "first": first, "sha256": sha256})
    return rows


def write(name: str, text: str) -> None:
    (FOLDER / name).write_text(text, encoding="utf-8")


def main() -> None:
    arguments = argparse.ArgumentParser(description="Makes imports/.")
    arguments.add_argument("--weights", type=Path, help="folder to write the seeded weights to")
    weights = arguments.parse_args().weights
    torch.set_num_threads(1)  # a fixed order of sums
    FOLDER.mkdir(exist_ok=True)

    write("generator.json", json_lines(sampled()))
    for naming, model in NAMED:
        write(f"{naming}-{model}.names.json", json_lines(list(shapes(build(naming, model)).items())))
    counted = {naming: {model: count(naming, model) for model in models} for naming, models in COUNTED.items()}
    write("parameters.json", json.dumps(counted, indent=1) + "\n")

    cases = []
    for case in CASES:
        cases.append(make_case(case, weights))
        print(json.dumps(cases[-1]), flush=True)
    write("cases.json", json_lines(cases))


if __name__ == "__main__":
    main()
