"""Writes a .tflite file in single precision from a plain ONNX graph, with the flatbuffer classes that LiteRT ships.

Only what EfficientNets need: convolutions, ReLU6, sigmoid, sums and products, means, the classifier. Anything else is an error.
"""

from collections import Counter

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from plain import Graph, Node, same_upper

NO_ACTIVATION, RELU6 = schema.ActivationFunctionType.NONE, schema.ActivationFunctionType.RELU6
CODE, OPTIONS = schema.BuiltinOperator, schema.BuiltinOptions


def write(graph: Graph) -> bytes:
    """The file's bytes. Its input is the ONNX file's with channels last."""
    writer = Writer(graph)
    for node in graph.nodes:
        writer.node(node)
    return writer.finish()


def channels_last(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (shape[0], *shape[2:], shape[1]) if len(shape) == 4 else shape


class Writer:
    """Adds operators to a model, each ONNX value being a tensor."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.readers = Counter(name for node in graph.nodes for name in node.inputs)
        self.readers[graph.output] += 1
        self.clips = {node.inputs[0]: node for node in graph.nodes if self.is_relu6(node)}
        self.model = schema.ModelT()
        self.model.version = 3
        self.model.buffers = [schema.BufferT()]  # the first stands for no data
        self.model.operatorCodes = []
        self.main = schema.SubGraphT()
        self.main.name = b"main"
        self.main.tensors, self.main.operators = [], []
        self.codes: dict[int, int] = {}
        self.tensors = {graph.input: self.tensor(graph.input, channels_last(graph.shapes[graph.input]))}

    def is_relu6(self, node: Node) -> bool:
        bounds = [float(self.graph.constants[name]) for name in node.inputs[1:]] if node.operator == "Clip" else []
        return bounds == [0.0, 6.0]

    def tensor(self, name: str, shape: tuple[int, ...], data: np.ndarray | None = None) -> int:
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.buffer = name.encode(), [int(length) for length in shape], 0
        whole = data is not None and data.dtype == np.int32
        tensor.type = schema.TensorType.INT32 if whole else schema.TensorType.FLOAT32
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)
            self.model.buffers.append(buffer)
            tensor.buffer = len(self.model.buffers) - 1
        self.main.tensors.append(tensor)
        return len(self.main.tensors) - 1

    def constant(self, name: str, data: np.ndarray) -> int:
        return self.tensor(name, data.shape, data)

    def operator(self, kind: str, inputs: list[int], output: str, **settings: object) -> None:
        """Adds the operator `kind`, such as `Conv2D`, whose result is the ONNX value `output`."""
        code = getattr(CODE, KINDS[kind])
        if code not in self.codes:
            entry = schema.OperatorCodeT()
            entry.builtinCode, entry.deprecatedBuiltinCode, entry.version = code, min(code, 127), 1
            self.codes[code] = len(self.model.operatorCodes)
            self.model.operatorCodes.append(entry)
        operator = schema.OperatorT()
        operator.opcodeIndex, operator.inputs = self.codes[code], inputs
        self.tensors[output] = self.tensor(output, channels_last(self.graph.shapes[output]))
        operator.outputs = [self.tensors[output]]
        if kind != "Logistic":
            options = getattr(schema, f"{kind}OptionsT")()
            for name, value in settings.items():
                assert hasattr(options, name), f"{kind} has no option {name}"
                setattr(options, name, value)
            operator.builtinOptionsType, operator.builtinOptions = getattr(OPTIONS, f"{kind}Options"), options
        self.main.operators.append(operator)

    def node(self, node: Node) -> None:
        if self.is_relu6(node) and node.output in self.tensors:
            return  # it went into the convolution before it
        x = self.tensors[node.inputs[0]]
        match node.operator:
            case "Conv":
                self.convolution(node, x)
            case "Sigmoid":
                self.operator("Logistic", [x], node.output)
            case "Add" | "Mul":
                inputs = [x, self.tensors[node.inputs[1]]]
                self.operator(node.operator, inputs, node.output, fusedActivationFunction=NO_ACTIVATION)
            case "GlobalAveragePool":
                axes = self.constant(f"{node.output}_axes", np.int32([1, 2]))
                self.operator("Reducer", [x, axes], node.output, keepDims=True)
            case "Flatten":
                shape = np.int32(self.graph.shapes[node.output])
                pixels = int(np.prod(self.graph.shapes[node.inputs[0]][2:]))
                assert pixels == 1, f"{node.output}: channels last would be flattened in another order"
                inputs = [x, self.constant(f"{node.output}_shape", shape)]
                self.operator("Reshape", inputs, node.output, newShape=shape.tolist())
            case "Gemm":
                assert node.attributes == {"transB": 1}, f"{node.output}: a product of another form"
                weight, bias = (self.constant(name, self.graph.constants[name]) for name in node.inputs[1:])
                self.operator("FullyConnected", [x, weight, bias], node.output, fusedActivationFunction=NO_ACTIVATION)
            case other:
                raise ValueError(f"{node.output}: no operator {other} is known here")

    def convolution(self, node: Node, x: int) -> None:
        weight = self.graph.constants[node.inputs[1]]
        channels, groups = self.graph.shapes[node.inputs[0]][1], node.attributes.get("group", 1)
        stride, _ = strides = node.attributes.get("strides", [1, 1])
        clip = self.clips.get(node.output) if self.readers[node.output] == 1 else None
        settings = {
            "padding": self.padding(node, weight.shape[2:], strides),
            "strideH": stride,
            "strideW": stride,
            "dilationHFactor": 1,
            "dilationWFactor": 1,
            "fusedActivationFunction": RELU6 if clip else NO_ACTIVATION,
        }
        if groups == 1:
            kind, weight = "Conv2D", weight.transpose(0, 2, 3, 1)
        elif groups == channels == weight.shape[0]:
            kind, weight, settings["depthMultiplier"] = "DepthwiseConv2D", weight.transpose(1, 2, 3, 0), 1
        else:
            raise ValueError(f"{node.output}: {groups} groups of {channels} channels")
        name = node.inputs[1]
        inputs = [x, self.constant(name, weight), self.constant(node.inputs[2], self.graph.constants[node.inputs[2]])]
        self.operator(kind, inputs, clip.output if clip else node.output, **settings)

    def padding(self, node: Node, kernel: tuple[int, int], strides: list[int]) -> int:
        lengths = self.graph.shapes[node.inputs[0]][2:]
        same = [same_upper(*axis) for axis in zip(lengths, kernel, strides)]
        pads = list(node.attributes.get("pads", [0, 0, 0, 0]))
        if pads == [before for before, _ in same] + [after for _, after in same]:
            return schema.Padding.SAME
        assert not any(pads), f"{node.output}: padding {pads} is neither SAME nor none"
        return schema.Padding.VALID

    def finish(self) -> bytes:
        self.main.inputs, self.main.outputs = [self.tensors[self.graph.input]], [self.tensors[self.graph.output]]
        self.model.subgraphs = [self.main]
        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(self.model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


# Names of options, and of operators.
KINDS = {
    "Conv2D": "CONV_2D",
    "DepthwiseConv2D": "DEPTHWISE_CONV_2D",
    "Logistic": "LOGISTIC",
    "Add": "ADD",
    "Mul": "MUL",
    "Reducer": "MEAN",
    "Reshape": "RESHAPE",
    "FullyConnected": "FULLY_CONNECTED",
}
