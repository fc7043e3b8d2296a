"""Makes ../inspect/*.onnx: small classifiers with the operators that exporters write, and their MACs.

    python small_onnx.py

The shapes come from onnx's own shape inference, so expected.json is independent of the program under test.

main() copies the docstrings of the models to expected.json; after a change to one, run this script again.
"""

import json
import math
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper, shape_inference

FOLDER = Path(__file__).resolve().parents[1] / "inspect"
RANDOM = np.random.default_rng(7)


class Model:
    """A graph under construction, from its input to its output."""

    def __init__(self, side: int, layout: str = "nchw"):
        shape = [1, 3, side, side] if layout == "nchw" else [1, side, side, 3]
        self.nodes, self.constants = [], []
        self.input = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
        self.last = "x"

    def constant(self, values: np.ndarray) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(values, name))
        return name

    def weights(self, *shape: int) -> str:
        return self.constant(RANDOM.normal(0, 0.3, shape).astype(np.float32))

    def integers(self, *values: int) -> str:
        return self.constant(np.array(values, np.int64))

    def node(self, operator: str, *inputs: str, **attributes) -> str:
        name = f"{operator.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], name=name, **attributes))
        self.last = name
        return name

    def then(self, operator: str, *inputs: str, **attributes) -> str:
        return self.node(operator, self.last, *inputs, **attributes)

    def finish(self, classes: int) -> onnx.ModelProto:
        output = helper.make_tensor_value_info(self.last, TensorProto.FLOAT, [1, classes])
        graph = helper.make_graph(self.nodes, "small", [self.input], [output], self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.checker.check_model(model, full_check=True)
        return model


def classic() -> Model:
    """Convolution, batch norm, ReLU, pooling, flatten, two Gemms."""
    m = Model(40)
    m.then("Conv", m.weights(4, 3, 5, 5), strides=[2, 2], pads=[2, 2, 2, 2])
    m.then("BatchNormalization", *(m.constant(np.full(4, value, np.float32)) for value in (1, 0, 0, 1)))
    m.then("Relu")
    m.then("MaxPool", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    m.then("Conv", m.weights(6, 2, 3, 3), group=2, dilations=[2, 2], pads=[2, 2, 2, 2])
    m.then("AveragePool", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)
    m.then("Flatten")
    m.then("Gemm", m.weights(150, 8), m.weights(8))
    m.then("LeakyRelu")
    m.then("Gemm", m.weights(5, 8), m.weights(5), transB=1)
    return m


def residual() -> Model:
    """Depthwise convolutions, a residual sum, squeeze-and-excitation by ReduceMean, a joined branch."""
    m = Model(33)
    stem = m.then("Conv", m.weights(8, 3, 3, 3), strides=[2, 2], auto_pad="SAME_UPPER")
    m.then("HardSwish")
    inner = m.then("Conv", m.weights(8, 1, 3, 3), group=8, auto_pad="SAME_LOWER")
    m.then("ReduceMean", axes=[2, 3], keepdims=1)
    m.then("Conv", m.weights(2, 8, 1, 1), m.weights(2))
    m.then("Relu")
    m.then("Conv", m.weights(8, 2, 1, 1), m.weights(8))
    gate = m.then("HardSigmoid")
    scaled = m.node("Mul", inner, gate)
    summed = m.node("Add", scaled, stem)
    m.node("Concat", summed, stem, axis=1)
    m.then("GlobalAveragePool")
    m.then("Squeeze", m.integers(2, 3))
    m.then("MatMul", m.weights(16, 3))
    m.then("Add", m.weights(3))
    m.then("Softmax", axis=-1)
    return m


def turned() -> Model:
    """TensorFlow's order of axes, explicit padding, a reshape."""
    m = Model(32, "nhwc")
    m.then("Transpose", perm=[0, 3, 1, 2])
    m.then("Sub", m.constant(np.float32([[[127]], [[127]], [[127]]])))
    m.then("Pad", m.integers(0, 0, 0, 0, 0, 0, 1, 1))
    m.then("Conv", m.weights(4, 3, 3, 3), strides=[2, 2], auto_pad="VALID")
    m.then("Clip", m.constant(np.float32(0)), m.constant(np.float32(6)))
    m.then("Reshape", m.integers(0, -1))
    m.then("MatMul", m.weights(4 * 16 * 16, 4))
    return m


def quantised() -> Model:
    """8-bit weights and values, as ONNX Runtime's static quantisation writes them."""
    m = Model(32)
    scale, zero = m.constant(np.float32(0.02)), m.constant(np.uint8(127))
    narrow = m.constant(np.int8(0))
    m.then("QuantizeLinear", scale, zero)
    x = m.then("DequantizeLinear", scale, zero)
    w = m.constant(RANDOM.integers(-127, 127, (4, 3, 3, 3)).astype(np.int8))
    weights = m.node("DequantizeLinear", w, scale, narrow)
    m.node("Conv", x, weights, strides=[2, 2], pads=[1, 1, 1, 1])
    m.then("Relu")
    m.then("GlobalAveragePool")
    m.then("Flatten")
    halves = m.constant(RANDOM.normal(0, 1, (6, 4)).astype(np.float16))
    features = m.last
    wide = m.node("Cast", halves, to=TensorProto.FLOAT)
    m.node("Gemm", features, wide, m.weights(6), transB=1)
    return m


def exported() -> Model:
    """A flatten as PyTorch's exporter writes `view(x.size(0), -1)`."""
    m = Model(32)
    features = m.then("Conv", m.weights(4, 3, 3, 3), strides=[4, 4])
    features = m.node("GlobalAveragePool", features)
    shape = m.node("Shape", features)
    batch = m.node("Gather", shape, m.constant(np.int64(0)))
    batch = m.node("Unsqueeze", batch, m.integers(0))
    target = m.node("Concat", batch, m.integers(-1), axis=0)
    m.node("Reshape", features, target)
    m.then("Gemm", m.weights(9, 4), m.weights(9), transB=1)
    return m


def cost(model: onnx.ModelProto) -> int:
    """Returns the multiply-accumulates of convolutions and matrix products, from onnx's own shapes."""
    inferred = shape_inference.infer_shapes(model, strict_mode=True, data_prop=True).graph
    shapes = {tensor.name: list(tensor.dims) for tensor in inferred.initializer}
    for value in [*inferred.value_info, *inferred.input, *inferred.output]:
        shapes[value.name] = [dimension.dim_value for dimension in value.type.tensor_type.shape.dim]
    total = 0
    for node in inferred.node:
        if node.op_type == "Conv":
            total += math.prod(shapes[node.output[0]]) * math.prod(shapes[node.input[1]][1:])
        if node.op_type in ("Gemm", "MatMul"):
            total += math.prod(shapes[node.input[1]])  # of one row
    return total


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    expected = {}
    for make, classes in [(classic, 5), (residual, 3), (turned, 4), (quantised, 6), (exported, 9)]:
        model = make().finish(classes)
        (FOLDER / f"{make.__name__}.onnx").write_bytes(model.SerializeToString(deterministic=True))
        expected[make.__name__] = {"classes": classes, "macs": cost(model), "what": make.__doc__}
    (FOLDER / "expected.json").write_text(json.dumps(expected, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(expected, indent=1))


if __name__ == "__main__":
    main()
