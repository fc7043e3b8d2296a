"""EfficientNet-Lite at any scale: layers, multiply-accumulates, and ONNX export with folded batch norm.

The layers are those of M. Tan, Q. Le, "EfficientNet", arXiv 1905.11946, table 1, with the changes of Google's
EfficientNet-Lite: no squeeze-and-excitation, and ReLU6 instead of SiLU. Stem, head and the repeats of the first and
last stage are not scaled.
"""

import math
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

# (repeats, kernel, stride, expansion, channels) of each stage at width 1 and depth 1.
STAGES = [
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
]
STEM_CHANNELS = 32
HEAD_CHANNELS = 1280
CLASSES = 1000
BATCH_NORM_EPSILON = 1e-3  # TensorFlow's; PyTorch's own default of 1e-5 costs a point of accuracy


@dataclass(frozen=True)
class Network:
    name: str
    width: float
    depth: float


@dataclass(frozen=True)
class Layer:
    """Convolution with batch norm, followed by ReLU6 if `relu6`."""

    name: str
    weight: str  # key of the convolution in the state dict
    norm: str  # key of the batch norm
    shape: tuple[int, int, int, int]  # OIHW
    stride: int = 1
    groups: int = 1
    relu6: bool = True


@dataclass(frozen=True)
class Block:
    name: str
    layers: list[Layer]
    residual: bool


def scaled_channels(channels: int, width: float) -> int:
    """Returns scaled channels, rounded to the nearest multiple of 8 but never down by more than a tenth."""
    exact = channels * width
    rounded = max(8, int(exact + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * exact else rounded


def blocks(network: Network) -> list[Block]:
    made, channels_in = [], STEM_CHANNELS
    for stage, (repeats, kernel, stride, expansion, channels) in enumerate(STAGES):
        channels_out = scaled_channels(channels, network.width)
        if stage not in (0, len(STAGES) - 1):
            repeats = math.ceil(repeats * network.depth)
        for repeat in range(repeats):
            step = stride if repeat == 0 else 1
            made.append(inverted_bottleneck(len(made), kernel, step, expansion, channels_in, channels_out))
            channels_in = channels_out
    return made


def inverted_bottleneck(
    number: int, kernel: int, stride: int, expansion: int, channels_in: int, channels_out: int
) -> Block:
    name, prefix, inner = f"block{number}", f"_blocks.{number}.", channels_in * expansion
    expand = Layer(f"{name}_expand", prefix + "_expand_conv", prefix + "_bn0", (inner, channels_in, 1, 1))
    depthwise = Layer(
        f"{name}_depthwise",
        prefix + "_depthwise_conv",
        prefix + "_bn1",
        (inner, 1, kernel, kernel),
        stride=stride,
        groups=inner,
    )
    project = Layer(
        f"{name}_project", prefix + "_project_conv", prefix + "_bn2", (channels_out, inner, 1, 1), relu6=False
    )
    layers = [depthwise, project] if expansion == 1 else [expand, depthwise, project]
    return Block(name, layers, residual=stride == 1 and channels_in == channels_out)


def stem() -> Layer:
    return Layer("stem", "_conv_stem", "_bn0", (STEM_CHANNELS, 3, 3, 3), stride=2)


def head(network: Network) -> Layer:
    last_channels = scaled_channels(STAGES[-1][-1], network.width)
    return Layer("head", "_conv_head", "_bn1", (HEAD_CHANNELS, last_channels, 1, 1))


def layers(network: Network) -> list[Layer]:
    return [stem(), *(layer for block in blocks(network) for layer in block.layers), head(network)]


def multiply_adds(network: Network, side: int) -> int:
    """Counts those of convolutions and classifier; like the paper, without biases, residual sums and the average."""
    total = HEAD_CHANNELS * CLASSES
    for layer in layers(network):
        side = -(-side // layer.stride)  # SAME padding: the output's side is the quotient rounded up
        total += side * side * math.prod(layer.shape)
    return total


def parameters(network: Network) -> int:
    """Counts weights and biases after batch norm folding."""
    folded = sum(math.prod(layer.shape) + layer.shape[0] for layer in layers(network))
    return folded + (HEAD_CHANNELS + 1) * CLASSES


def fold(weights: dict[str, np.ndarray], layer: Layer) -> tuple[np.ndarray, np.ndarray]:
    """Returns weight and bias of a convolution with its batch norm folded in, in float64.

    Removes the tensors from `weights`, so that unused tensors remain at the end.
    """

    def take(name: str) -> np.ndarray:
        return weights.pop(name).astype(np.float64)

    scale, shift = take(f"{layer.norm}.weight"), take(f"{layer.norm}.bias")
    mean, variance = take(f"{layer.norm}.running_mean"), take(f"{layer.norm}.running_var")
    weight = take(f"{layer.weight}.weight")
    if weight.shape != layer.shape:
        raise ValueError(f"{layer.weight} has shape {weight.shape}, expected {layer.shape}")
    gain = scale / np.sqrt(variance + BATCH_NORM_EPSILON)
    return weight * gain[:, None, None, None], shift - mean * gain


class Graph:
    """ONNX nodes and constants in the order of the data flow."""

    def __init__(self):
        self.nodes = []
        self.constants = []

    def node(self, operator: str, inputs: list[str], output: str, **attributes) -> str:
        self.nodes.append(helper.make_node(operator, inputs, [output], name=output, **attributes))
        return output

    def constant(self, name: str, values: np.ndarray) -> str:
        self.constants.append(numpy_helper.from_array(values.astype(np.float32), name))
        return name

    def half_constant(self, name: str, values: np.ndarray) -> str:
        """Adds a constant in half precision with a Cast to float32: half the file size, float32 arithmetic."""
        halves = values.astype(np.float16)
        if not np.isfinite(halves).all():
            raise ValueError(f"{name} exceeds the range of half precision")
        self.constants.append(numpy_helper.from_array(halves, f"{name}_half"))
        return self.node("Cast", [f"{name}_half"], name, to=TensorProto.FLOAT)

    def convolution(self, x: str, layer: Layer, weight: np.ndarray, bias: np.ndarray) -> str:
        # Biases stay float32: half precision would save only 0.1 MB in all three files.
        inputs = [x, self.half_constant(f"{layer.name}_weight", weight), self.constant(f"{layer.name}_bias", bias)]
        # auto_pad, since the pads depend on the side, and one file serves every side.
        x = self.node(
            "Conv",
            inputs,
            layer.name,
            auto_pad="SAME_UPPER",
            kernel_shape=layer.shape[2:],
            strides=[layer.stride] * 2,
            group=layer.groups,
        )
        return self.node("Clip", [x, "zero", "six"], f"{layer.name}_relu6") if layer.relu6 else x


def to_onnx(network: Network, state_dict: dict[str, np.ndarray]) -> bytes:
    """Returns the serialised model. Equal weights give equal bytes: it contains neither time nor paths."""
    weights = {name: values for name, values in state_dict.items() if not name.endswith("num_batches_tracked")}
    graph = Graph()
    graph.constant("zero", np.float32(0.0))
    graph.constant("six", np.float32(6.0))
    x = graph.convolution("image", stem(), *fold(weights, stem()))
    for block in blocks(network):
        entry = x
        for layer in block.layers:
            x = graph.convolution(x, layer, *fold(weights, layer))
        if block.residual:
            x = graph.node("Add", [x, entry], f"{block.name}_sum")
    x = graph.convolution(x, head(network), *fold(weights, head(network)))
    x = graph.node("GlobalAveragePool", [x], "average")
    x = graph.node("Flatten", [x], "features", axis=1)
    classifier = graph.half_constant("classifier_weight", weights.pop("_fc.weight"))
    bias = graph.constant("classifier_bias", weights.pop("_fc.bias"))
    graph.node("Gemm", [x, classifier, bias], "scores", transB=1)
    if weights:
        raise ValueError(f"unexpected tensors: {sorted(weights)}")
    return serialise(network, graph)


def serialise(network: Network, graph: Graph) -> bytes:
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, "height", "width"])
    scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, CLASSES])
    made = helper.make_graph(graph.nodes, f"efficientnet-{network.name}", [image], [scores], graph.constants)
    opset = helper.make_opsetid("", 13)
    made_by = "phicam models/imagenet/build.py"
    model = helper.make_model(made, opset_imports=[opset], ir_version=8, producer_name=made_by)
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)
