"""Makes resize/, jpeg/ and exif/: pictures and Pillow's results for them."""

import io
import json
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from contract import TRAINED_CROP, WHOLE, name_of, open_rgb, square, write_png

# name -> (sample, width, height)
RESIZE_SOURCES = {
    "landscape": ("dog", 320, 240),
    "odd": ("panda", 337, 251),
    "portrait": ("koala", 200, 333),
    "tiny": ("crab", 61, 47),  # smaller than any side: enlarged
    "wide": ("red_panda", 512, 288),
}
RESIZE_SIDES = [96, 224, 260]
WHOLE_SIDE, WHOLE_SOURCES = 256, ["odd", "portrait"]

TRANSPOSE = Image.Transpose
# EXIF orientation -> transposition of the stored picture: the inverse of a viewer's transposition.
STORED = {
    1: None,
    2: TRANSPOSE.FLIP_LEFT_RIGHT,
    3: TRANSPOSE.ROTATE_180,
    4: TRANSPOSE.FLIP_TOP_BOTTOM,
    5: TRANSPOSE.TRANSPOSE,
    6: TRANSPOSE.ROTATE_90,
    7: TRANSPOSE.TRANSVERSE,
    8: TRANSPOSE.ROTATE_270,
}
ORIENTATION_TAG = 0x0112


def make_resize(samples: Path, folder: Path) -> None:
    sources = {
        name: ImageOps.fit(open_rgb(samples / f"{sample}.jpg"), (width, height), Image.Resampling.LANCZOS)
        for name, (sample, width, height) in RESIZE_SOURCES.items()
    }
    sources["edges"] = hard_edges(300, seed=1)
    cases = []
    for name, source in sources.items():
        write_png(source, folder / f"{name}.png")
        wanted = [(side, TRAINED_CROP) for side in RESIZE_SIDES]
        wanted += [(WHOLE_SIDE, WHOLE)] if name in WHOLE_SOURCES else []
        for side, crop in wanted:
            expected = name_of(name, side, crop)
            write_png(square(source, side, crop), folder / expected)
            cases.append({"source": f"{name}.png", "side": side, "crop": crop, "expected": expected})
    (folder / "cases.json").write_text(json_lines(cases), encoding="utf-8")


def hard_edges(size: int, seed: int) -> Image.Image:
    """Returns hard black-and-white edges: bicubic overshoots, and wrong rounding or clipping has the largest effect."""
    half, random = size // 2, np.random.Generator(np.random.PCG64(seed))
    rows, columns = np.mgrid[0:half, 0:half]
    checkerboard = (rows + columns) % 2 * 255
    stripes = columns % 3 // 2 * 255
    # Like text: random glyphs of 5 x 7 dots, two pixels for each dot.
    glyphs = random.integers(0, 2, (half // 2, half // 2)) * 255
    glyphs[::8, :] = glyphs[:, ::6] = 255
    glyphs = np.kron(glyphs, np.ones((2, 2), int))[:half, :half]
    # Blocks of pure colours, 10 pixels each: every channel jumps between 0 and 255 independently.
    colours = np.kron(random.integers(0, 2, (half // 10, half // 10, 3)) * 255, np.ones((10, 10, 1), int))
    pixels = np.zeros((size, size, 3), np.uint8)
    pixels[:half, :half] = checkerboard[..., None]
    pixels[:half, half:] = stripes[..., None]
    pixels[half:, :half] = glyphs[..., None]
    pixels[half:, half:] = colours
    return Image.fromarray(pixels)


def make_jpeg(samples: Path, folder: Path) -> None:
    even = ImageOps.fit(open_rgb(samples / "scarlet_macaw.jpg"), (200, 150), Image.Resampling.LANCZOS)
    odd = ImageOps.fit(open_rgb(samples / "scarlet_macaw.jpg"), (201, 151), Image.Resampling.LANCZOS)
    variants = {
        "420": encode(even, subsampling="4:2:0"),
        "422": encode(even, subsampling="4:2:2"),
        "444": encode(even, subsampling="4:4:4"),
        "grey": encode(even.convert("L")),
        "progressive": encode(even, subsampling="4:2:0", progressive=True),
        "restart": encode(even, subsampling="4:2:0", restart_marker_blocks=5),
        "odd_420": encode(odd, subsampling="4:2:0"),
        "odd_422": encode(odd, subsampling="4:2:2"),
        "odd_progressive": encode(odd, subsampling="4:2:0", progressive=True),
    }
    for name, data in variants.items():
        (folder / f"{name}.jpg").write_bytes(data)
        # libjpeg-turbo's RGB: accurate integer DCT, smooth ("fancy") chroma upsampling.
        write_png(Image.open(io.BytesIO(data)).convert("RGB"), folder / f"{name}.png")
    # A complete sample: a photograph of quality 85 and odd width.
    write_png(open_rgb(samples / "chelsea.jpg"), folder / "chelsea.png")
    # Webcams omit the Huffman tables from their MJPG frames: every decoder must know the standard ones.
    # The picture is that of 422.jpg, so the expected result is 422.png.
    (folder / "422_without_tables.jpg").write_bytes(without_huffman_tables(variants["422"]))


def encode(picture: Image.Image, **options) -> bytes:
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=88, **options)
    return data.getvalue()


def without_huffman_tables(data: bytes) -> bytes:
    """Removes the DHT segments (marker FF C4); without `optimize`, Pillow writes the standard tables."""
    kept, position = data[:2], 2
    while data[position + 1] != 0xDA:  # up to the start of the scan
        length = 2 + int.from_bytes(data[position + 2 : position + 4], "big")
        if data[position + 1] != 0xC4:
            kept += data[position : position + length]
        position += length
    return kept + data[position:]


def make_exif(samples: Path, folder: Path) -> None:
    """Makes exif/ from a picture without symmetry: a dog in profile, and three corners of different colours."""
    upright = ImageOps.fit(open_rgb(samples / "dog.jpg"), (120, 80), Image.Resampling.LANCZOS)
    for corner, colour in {(0, 0): "red", (104, 0): "lime", (0, 64): "blue"}.items():
        upright.paste(colour, (*corner, corner[0] + 16, corner[1] + 16))
    write_png(upright, folder / "upright.png")
    for orientation, transpose in STORED.items():
        stored = upright if transpose is None else upright.transpose(transpose)
        exif = Image.Exif()
        exif.endian = "<" if orientation % 2 else ">"  # cameras write both byte orders
        exif[ORIENTATION_TAG] = orientation
        path = folder / f"orientation_{orientation}.jpg"
        stored.save(path, quality=98, subsampling="4:4:4", exif=exif)
        seen = np.asarray(ImageOps.exif_transpose(Image.open(path)), int)
        distance = np.abs(seen - np.asarray(upright, int))
        print(f"exif {orientation}: off by {distance.max()} of 255 at most, {distance.mean():.2f} on average")


def json_lines(rows: list) -> str:
    """Returns a JSON list with one row on each line, for reading and comparing by eye."""
    return "[\n" + ",\n".join(f"  {json.dumps(row)}" for row in rows) + "\n]\n"
