"""Times one engine that has a Python package: `infer.py ENGINE FOLDER SCORES.f32 THREADS SECONDS|RUNSx`, one line of JSON.

A process of its own for each, so that no engine's threads or memory disturb another. `timed.rs` does the same in Rust. The
picture lies where the engine reads it before the clock starts; what is timed ends with the scores in an array of ours.
"""

import importlib.metadata
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

WARM_UP_RUNS, WARM_UP_SHARE, LEAST_RUNS = 3, 0.1, 5  # as in timed.rs

Infer = Callable[[], np.ndarray]


def rss_mib(key: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{key}:"))


def of_onnxruntime(folder: Path, picture: np.ndarray, threads: int) -> tuple[Infer, str]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(folder / "plain.onnx", options, providers=["CPUExecutionProvider"])
    [name] = [value.name for value in session.get_inputs()]
    return lambda: session.run(None, {name: picture})[0], "all its optimisations"


def of_litert(folder: Path, picture: np.ndarray, threads: int) -> tuple[Infer, str]:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(folder / "plain.tflite"), num_threads=threads)
    interpreter.allocate_tensors()
    [source], [result] = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.set_tensor(source["index"], np.ascontiguousarray(picture.transpose(0, 2, 3, 1)))

    def infer() -> np.ndarray:
        interpreter.invoke()
        return interpreter.get_tensor(result["index"])

    return infer, "XNNPACK, its default, the picture with channels last"


def of_openvino(folder: Path, picture: np.ndarray, threads: int) -> tuple[Infer, str]:
    import openvino

    core = openvino.Core()
    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": "1",
        "INFERENCE_NUM_THREADS": str(threads),
        "INFERENCE_PRECISION_HINT": "f32",
        "ENABLE_CPU_PINNING": "NO",
    }
    model = core.compile_model(core.read_model(folder / "plain.onnx"), "CPU", settings)
    request = model.create_infer_request()
    request.set_input_tensor(openvino.Tensor(picture, shared_memory=True))

    def infer() -> np.ndarray:
        request.infer()
        return request.get_output_tensor(0).data.copy()

    if (told := model.get_property("INFERENCE_NUM_THREADS")) != threads:
        raise RuntimeError(f"OpenVINO says that it uses {told} threads")
    return infer, "latency hint, one stream, f32, threads not pinned"


def of_ncnn(folder: Path, picture: np.ndarray, threads: int) -> tuple[Infer, str]:
    import ncnn

    net = ncnn.Net()
    options = net.opt
    options.num_threads, options.use_vulkan_compute = threads, False
    options.use_fp16_packed = options.use_fp16_storage = options.use_fp16_arithmetic = False
    options.use_bf16_storage = options.use_bf16_packed = False
    failed = net.load_param(str(folder / "plain.ncnn.param")) or net.load_model(str(folder / "plain.ncnn.bin"))
    if failed:
        raise RuntimeError("ncnn does not load what pnnx made")
    source = ncnn.Mat(picture[0])

    def infer() -> np.ndarray:
        extractor = net.create_extractor()
        extractor.input("in0", source)
        return np.array(extractor.extract("out0")[1])

    return infer, "converted by pnnx, fp16 and bf16 off"


# How each is opened, and the package that tells its version.
ENGINES = {
    "onnxruntime": (of_onnxruntime, "onnxruntime"),
    "litert": (of_litert, "ai-edge-litert"),
    "openvino": (of_openvino, "openvino"),
    "ncnn": (of_ncnn, "ncnn"),
}


def main() -> None:
    engine, folder, scores_file, threads, length = sys.argv[1:]
    open_engine, package = ENGINES[engine]
    folder, threads = Path(folder), int(threads)
    picture = np.fromfile(folder / "input.f32", "<f4")
    side = round((picture.size / 3) ** 0.5)
    picture = picture.reshape(1, 3, side, side)
    base_rss_mib = rss_mib("VmRSS")
    # Its libraries are read before the clock starts: a program of one's own has them linked.
    __import__({"litert": "ai_edge_litert.interpreter"}.get(engine, engine))
    start = time.perf_counter()
    infer, detail = open_engine(folder, picture, threads)
    load_ms = (time.perf_counter() - start) * 1e3

    def timed() -> tuple[float, np.ndarray]:
        start = time.perf_counter()
        scores = infer()
        return (time.perf_counter() - start) * 1e3, scores

    first_ms, scores = timed()
    samples_ms: list[float] = []
    start, cpu_before = time.perf_counter(), time.process_time()
    if length.endswith("x"):  # so many runs, none before them: for tools that count instructions
        samples_ms.append(first_ms)
        while len(samples_ms) < int(length[:-1]):
            sample_ms, scores = timed()
            samples_ms.append(sample_ms)
    else:
        seconds, runs = float(length), 0
        while runs < WARM_UP_RUNS or time.perf_counter() - start < seconds * WARM_UP_SHARE:
            timed()
            runs += 1
        start, cpu_before = time.perf_counter(), time.process_time()
        while len(samples_ms) < LEAST_RUNS or time.perf_counter() - start < seconds:
            sample_ms, scores = timed()
            samples_ms.append(sample_ms)
    cpu_ms = (time.process_time() - cpu_before) * 1e3 / len(samples_ms)
    np.ravel(scores).astype("<f4").tofile(scores_file)
    told = {
        "version": importlib.metadata.version(package),
        "detail": detail,
        "load_ms": load_ms,
        "first_ms": first_ms,
        "cpu_ms": cpu_ms,
        "base_rss_mib": base_rss_mib,
        "peak_rss_mib": rss_mib("VmHWM"),
        "samples_ms": samples_ms,
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
