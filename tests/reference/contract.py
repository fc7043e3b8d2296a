"""The input spec of models/catalog.toml in Pillow: crop, resize, normalise. Tests can break each step on purpose."""

from pathlib import Path

import numpy as np
from PIL import Image

TRAINED_CROP = "side/(side+32)"
WHOLE = 1.0


def open_rgb(path: Path) -> Image.Image:
    return Image.open(path).convert("RGB")


def crop_side(shorter: int, side: int, crop: str | float) -> int:
    """Returns the crop's side, computed in integers so that rounding of side / (side + 32) cannot lose a pixel."""
    return shorter if crop == WHOLE else side * shorter // (side + 32)


def square(picture: Image.Image, side: int, crop: str | float, resample=Image.Resampling.BICUBIC) -> Image.Image:
    """Returns the centre of `picture` as side x side pixels.

    It crops first and resizes afterwards: with `resize(box=...)` the filter would read pixels outside the crop. If the
    border is odd, its spare pixel is at the left or at the top.
    """
    edge = crop_side(min(picture.size), side, crop)
    left, top = ((length - edge + 1) // 2 for length in picture.size)
    return picture.crop((left, top, left + edge, top + edge)).resize((side, side), resample)


def normalise(picture: Image.Image, mean=127.0, scale=128.0) -> np.ndarray:
    """Returns one normalised picture in NCHW layout."""
    pixels = np.asarray(picture, np.float32)
    return ((pixels - np.float32(mean)) / np.float32(scale)).transpose(2, 0, 1)[None]


def name_of(source: str, side: int, crop: str | float) -> str:
    return f"{source}.{side}.whole.png" if crop == WHOLE else f"{source}.{side}.png"


def write_png(picture: Image.Image, path: Path) -> None:
    picture.save(path, optimize=True)
