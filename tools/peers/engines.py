"""The engines that are compared: how each is started, and whether it is here."""

import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from networks import PEERS, ROOT, Prepared

HERE = Path(__file__).resolve().parent
PHICAM = ROOT / "target" / "release" / "examples" / "infer"
RTEN = PEERS / "rten" / "release" / "phicam-peer-rten"
TOLERANCE = 1e-3  # of the range of scores


class Failure(Exception):
    """An engine that did not run, or whose scores are not the others'."""


@dataclass(frozen=True)
class Engine:
    name: str
    title: str
    program: Path | None = None
    """One of ours in Rust; without it, infer.py runs a Python package."""
    source: bool = False
    """Whether it reads the file as it is shipped, not the plain one."""
    package: str = ""
    environment: dict[str, str] = field(default_factory=dict)

    def missing(self, vectors: list[str]) -> str:
        """Why it is not here; nothing where it is."""
        if self.name == "phicam-avx2" and "avx512f" not in vectors:
            return "this CPU's own kernels are no wider"
        if self.program:
            return "" if self.program.exists() else f"{self.program} was not built"
        packages = [self.package.split(".")[0], *(["pnnx"] if self.name == "ncnn" else [])]
        absent = [package for package in packages if importlib.util.find_spec(package) is None]
        return f"{absent[0]} is not installed" if absent else ""

    def command(self, network: Prepared, scores: Path, threads: int, seconds: float) -> list[str]:
        end = [str(scores), str(threads), str(seconds)]
        if self.program:
            model = network.source if self.source else network.folder / "plain.onnx"
            return [str(self.program), str(model), str(network.side), str(network.folder / "input.f32"), *end]
        return [sys.executable, str(HERE / "infer.py"), self.name, str(network.folder), *end]

    def measure(self, network: Prepared, threads: int, seconds: float) -> dict:
        """Runs it in a process of its own; what that told, checked."""
        if self.name in network.failures:
            raise Failure(network.failures[self.name])
        scores = network.folder / f"{self.name}.f32"
        scores.unlink(missing_ok=True)
        # What the shell has set for threads and kernels is not what is to be compared.
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(("PHICAM_", "OMP_", "RTEN_"))
        }
        command = self.command(network, scores, threads, seconds)
        try:
            done = subprocess.run(
                command,
                env=inherited | self.environment,
                capture_output=True,
                text=True,
                check=False,
                timeout=120 + 20 * seconds,
            )
        except subprocess.TimeoutExpired as error:
            raise Failure(f"no answer within {error.timeout:.0f} s") from None
        if done.returncode != 0:
            last = (done.stderr.strip().splitlines() or ["nothing said"])[-1]
            raise Failure(f"ended with {done.returncode}: {last}")
        told = json.loads(done.stdout.strip().splitlines()[-1])
        if self.name == "litert" and "XNNPACK" not in done.stderr:
            raise Failure("it ran without XNNPACK")
        return told | {"difference": difference(np.fromfile(scores, "<f4"), network.reference())}


def difference(scores: np.ndarray, reference: np.ndarray) -> float:
    """The largest, as a share of the reference's range."""
    if scores.shape != reference.shape or not np.isfinite(scores).all():
        raise Failure(f"{scores.size} scores, {np.isfinite(scores).sum()} of them finite; expected {reference.size}")
    apart = float(np.abs(scores - reference).max() / np.ptp(reference))
    best, expected = (values.argsort()[::-1][:5].tolist() for values in (scores, reference))
    if apart > TOLERANCE or best != expected:
        raise Failure(f"scores {apart:.1e} of their range from ONNX Runtime's; best five {best}, expected {expected}")
    return apart


def phicam(name: str, title: str, kernels: str | None = None) -> Engine:
    return Engine(name, title, PHICAM, source=True, environment={"PHICAM_KERNELS": kernels} if kernels else {})


ENGINES = {
    engine.name: engine
    for engine in (
        phicam("phicam", "Phicam"),
        phicam("phicam-avx2", "Phicam, AVX2 only", "avx2"),
        Engine("onnxruntime", "ONNX Runtime", package="onnxruntime"),
        Engine("litert", "LiteRT", package="ai_edge_litert.interpreter"),
        Engine("openvino", "OpenVINO", package="openvino"),
        Engine("ncnn", "ncnn", package="ncnn"),
        phicam("tract", "stock tract", "none"),
        Engine("rten", "rten", RTEN),
    )
}
# Those that Phicam is measured against.
RIVALS = ["onnxruntime", "litert", "openvino", "ncnn"]
