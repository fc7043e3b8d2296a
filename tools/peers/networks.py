"""The networks that are compared: the same weights and the same picture in each engine's own format, made once."""

import hashlib
import importlib.metadata
import importlib.util
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from PIL import Image

import plain
import tflite

ROOT = Path(__file__).resolve().parents[2]
PEERS = ROOT / "target" / "peers"
DEFAULT = ["lite0@224", "lite2@260", "b0@224", "b3@300"]
SEED = "7"  # of the weights of networks that are not shipped
PHOTOGRAPH = ROOT / "samples" / "dog.jpg"


@dataclass(frozen=True)
class Prepared:
    """Where a network's files lie, and what making them told."""

    name: str
    side: int
    folder: Path
    source: Path
    macs: int
    failures: dict[str, str]
    """Engines that no file could be made for, and why."""

    def reference(self) -> np.ndarray:
        return np.fromfile(self.folder / "reference.f32", "<f4")


def prepare(name: str, phicam: Path) -> Prepared:
    """The files of `name`, such as `b0@224`: those from last time where nothing that they come from has changed."""
    network, _, side_text = name.partition("@")
    if not side_text.isdigit():
        raise SystemExit(f"{name}: expected a network and its side, such as b0@224")
    side, folder = int(side_text), PEERS / "networks" / name
    folder.mkdir(parents=True, exist_ok=True)
    source = ROOT / "models" / "imagenet" / f"{network}.onnx"
    if not source.exists():
        source = folder / "seeded.onnx"
        command = [phicam, "scale", network, "--side", side_text, "--seed", SEED, "--onnx", source]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SystemExit(f"phicam scale {network}: {done.stderr}")
    stamp, facts_file = made_from(source), folder / "facts.json"
    facts = json.loads(facts_file.read_text()) if facts_file.exists() else {}
    if facts.get("made_from") != stamp:
        facts = make(source, side, folder) | {"made_from": stamp}
        facts_file.write_text(json.dumps(facts))
    return Prepared(name, side, folder, source, facts["macs"], facts["failures"])


def made_from(source: Path) -> str:
    """A hash of all that decides what `make` makes."""
    here = Path(__file__).resolve().parent
    files = [source, PHOTOGRAPH, *sorted(here.glob("requirements*.txt"))]
    files += [here / script for script in ("networks.py", "plain.py", "tflite.py")]
    installed = sorted(f"{package.name} {package.version}" for package in importlib.metadata.distributions())
    digest = hashlib.sha256("\n".join(installed).encode())
    for file in files:
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def make(source: Path, side: int, folder: Path) -> dict:
    print(f"making the files of {folder.name}", file=sys.stderr)
    model = plain.plain(source, side)
    graph = plain.graph_of(model)
    onnx.save(model, folder / "plain.onnx")
    picture = photograph(side)
    picture.tofile(folder / "input.f32")
    session = onnxruntime.InferenceSession(folder / "plain.onnx", providers=["CPUExecutionProvider"])
    [scores] = session.run(None, {graph.input: picture})
    scores.tofile(folder / "reference.f32")
    failures = {}
    for engine, convert in {"litert": to_tflite, "ncnn": to_ncnn}.items():
        try:
            convert(graph, side, folder)
        except Exception as error:  # of any kind: the other engines are compared all the same
            failures[engine] = f"its file could not be made: {error}"
    return {"macs": graph.macs(), "failures": failures}


def photograph(side: int) -> np.ndarray:
    """1 × 3 × side × side, normalised as the Lite networks want it."""
    with Image.open(PHOTOGRAPH) as image:
        shorter = min(image.size)
        left, top = ((length - shorter) // 2 for length in image.size)
        square = image.convert("RGB").crop((left, top, left + shorter, top + shorter))
        pixels = np.asarray(square.resize((side, side), Image.Resampling.BICUBIC), np.float32)
    return np.ascontiguousarray(((pixels - 127) / 128).transpose(2, 0, 1)[None])


def to_tflite(graph: plain.Graph, _side: int, folder: Path) -> None:
    (folder / "plain.tflite").write_bytes(tflite.write(graph))


def to_ncnn(_graph: plain.Graph, side: int, folder: Path) -> None:
    """By pnnx, which puts its files, also many that ncnn does not need, beside the one it reads."""
    for old in folder.glob("plain.ncnn.*"):
        old.unlink()
    [package] = importlib.util.find_spec("pnnx").submodule_search_locations  # importing it would need PyTorch
    command = [Path(package) / "pnnx", "plain.onnx", f"inputshape=[1,3,{side},{side}]", "fp16=0"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=600)
    (folder / "pnnx.log").write_text(done.stdout + done.stderr)
    if done.returncode != 0 or not (folder / "plain.ncnn.bin").exists():
        raise RuntimeError(f"pnnx ended with {done.returncode}, see {folder / 'pnnx.log'}")
    for other in [*folder.glob("plain.pnnx*"), *folder.glob("plain_*.py")]:
        other.unlink()
