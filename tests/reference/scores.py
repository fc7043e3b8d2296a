"""Makes scores/: the logits of every variant, by numpy from the definition and by ONNX Runtime from our files."""

import json
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image

from contract import TRAINED_CROP, WHOLE, name_of, normalise, open_rgb, square, write_png
from numpy_lite import Forward, Rules
from pictures import json_lines

# Variants that numpy computes as well, from the published tensors.
NUMPY_CHOICES = ["lite0@96", "lite0@224", "lite1@240", "lite2@260"]
NUMPY_PHOTOS = ["dog", "panda", "coffee"]
PHOTO = "dog"  # scored by ONNX Runtime with every variant, and used to measure the traps

# torchvision's values, times 255: the most likely wrong normalisation.
IMAGENET_MEAN = [123.675, 116.28, 103.53]
IMAGENET_DEVIATION = [58.395, 57.12, 57.375]


class Catalog:
    def __init__(self, models: Path):
        self.models = models
        self.tables = tomllib.loads((models / "catalog.toml").read_text(encoding="utf-8"))
        self.variants = {variant["name"]: variant for variant in self.tables["variant"]}

    def crop(self, variant: str) -> str | float:
        return self.tables["input"][self.variants[variant]["input"]]["crop"]

    def side(self, variant: str) -> int:
        return self.variants[variant]["side"]

    def depth(self, variant: str) -> float:
        return self.tables["network"][self.variants[variant]["network"]]["depth"]

    def session(self, variant: str) -> onnxruntime.InferenceSession:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        file = self.models / self.tables["network"][self.variants[variant]["network"]]["file"]
        return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])


def run(session: onnxruntime.InferenceSession, image: np.ndarray) -> np.ndarray:
    return session.run(["scores"], {"image": image})[0][0]


def write_logits(logits: np.ndarray, path: Path) -> None:
    path.write_bytes(logits.astype("<f4").tobytes())


def make_scores(samples: Path, catalog: Catalog, state_dicts: dict, folder: Path) -> None:
    cases = []
    for variant in catalog.variants:
        session = catalog.session(variant)
        for photo in NUMPY_PHOTOS if variant in NUMPY_CHOICES else [PHOTO]:
            crop, side = catalog.crop(variant), catalog.side(variant)
            picture = square(open_rgb(samples / f"{photo}.jpg"), side, crop)
            case = {"variant": variant, "photo": f"{photo}.jpg", "input": name_of(photo, side, crop)}
            write_png(picture, folder / case["input"])
            onnx_logits = run(session, normalise(picture))
            if variant in NUMPY_CHOICES:
                network = catalog.variants[variant]["network"]
                logits = Forward(state_dicts[network], catalog.depth(variant)).logits(normalise(picture))
                case["numpy"] = f"{variant}.{photo}.numpy.f32"
                case["apart"] = round(float(np.abs(logits - onnx_logits).max()), 5)
                write_logits(logits, folder / case["numpy"])
            if photo == PHOTO:
                case["onnxruntime"] = f"{variant}.{photo}.onnxruntime.f32"
                write_logits(onnx_logits, folder / case["onnxruntime"])
            cases.append(case)
            print(case)
    (folder / "cases.json").write_text(json_lines(cases), encoding="utf-8")


def make_traps(samples: Path, catalog: Catalog, state_dicts: dict, folder: Path) -> None:
    """Writes the change of the logits for each broken rule; a test's tolerance must be well below it."""
    photo = open_rgb(samples / f"{PHOTO}.jpg")
    traps = {variant: distances(photo, catalog, variant, state_dicts) for variant in NUMPY_CHOICES}
    print(json.dumps(traps, indent=2))
    (folder / "traps.json").write_text(json.dumps(traps, indent=2) + "\n", encoding="utf-8")


def distances(photo: Image.Image, catalog: Catalog, variant: str, state_dicts: dict) -> dict[str, dict]:
    side, depth = catalog.side(variant), catalog.depth(variant)
    state_dict = state_dicts[catalog.variants[variant]["network"]]
    right = square(photo, side, TRAINED_CROP)
    forward = Forward(state_dict, depth)
    reference = forward.logits(normalise(right))

    def moved(logits: np.ndarray) -> dict:
        apart = np.abs(logits - reference)
        return {
            "max": round(float(apart.max()), 4),
            "mean": round(float(apart.mean()), 4),
            "top1": int(logits.argmax()),
        }

    broken: dict[str, Callable[[], np.ndarray]] = {
        "nothing broken": lambda: reference,
        "half-precision storage (our file, ONNX Runtime)": lambda: run(catalog.session(variant), normalise(right)),
        "symmetric pads": lambda: Forward(state_dict, depth, Rules(symmetric_pads=True)).logits(normalise(right)),
        "batch norm epsilon 1e-5": lambda: Forward(state_dict, depth, Rules(epsilon=1e-5)).logits(normalise(right)),
        "ImageNet mean and deviation": lambda: forward.logits(normalise(right, IMAGENET_MEAN, IMAGENET_DEVIATION)),
        "mean 127.5, scale 127.5": lambda: forward.logits(normalise(right, 127.5, 127.5)),
        "BGR": lambda: forward.logits(normalise(right)[:, ::-1]),
        "no crop": lambda: forward.logits(normalise(square(photo, side, WHOLE))),
        "whole frame squashed": lambda: forward.logits(normalise(photo.resize((side, side), Image.Resampling.BICUBIC))),
        "crop one pixel off": lambda: forward.logits(normalise(square(shifted(photo), side, TRAINED_CROP))),
        "bilinear": lambda: forward.logits(normalise(square(photo, side, TRAINED_CROP, Image.Resampling.BILINEAR))),
        "nearest": lambda: forward.logits(normalise(square(photo, side, TRAINED_CROP, Image.Resampling.NEAREST))),
        "every pixel one level up": lambda: forward.logits(normalise(right) + np.float32(1 / 128)),
    }
    return {name: moved(logits()) for name, logits in broken.items()}


def shifted(photo: Image.Image) -> Image.Image:
    """Returns the photograph shifted by one source pixel to the left, like a crop with a wrongly rounded offset."""
    return photo.transform(photo.size, Image.Transform.AFFINE, (1, 0, 1, 0, 1, 0))


def make_end_to_end(samples: Path, catalog: Catalog, folder: Path) -> None:
    """Writes the five best classes of every variant for every photograph, with Pillow as the decoder."""
    expected = tomllib.loads((samples / "expected.toml").read_text(encoding="utf-8"))["photo"]
    rows = []
    for variant in catalog.variants:
        session, first, among_five = catalog.session(variant), [], []
        for photo in expected:
            picture = square(open_rgb(samples / photo["file"]), catalog.side(variant), catalog.crop(variant))
            logits = run(session, normalise(picture))
            top = [int(index) for index in np.argsort(-logits, kind="stable")[:5]]
            first += [photo["file"]] if top[0] in photo["classes"] else []
            among_five += [photo["file"]] if set(top) & set(photo["classes"]) else []
            top5 = [[index, round(float(logits[index]), 4)] for index in top]
            rows.append({"variant": variant, "photo": photo["file"], "top5": top5})
        missed = sorted({photo["file"] for photo in expected} - set(first))
        print(f"{variant}: {len(first)} of {len(expected)} first, {len(among_five)} in top five; not first: {missed}")
    (folder / "end_to_end.json").write_text(json_lines(rows), encoding="utf-8")
