"""One ONNX file in the plainest form for any reader: fixed side, weights in single precision, padding in numbers."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper, shape_inference

HALF, FLOAT = onnx.TensorProto.FLOAT16, onnx.TensorProto.FLOAT


@dataclass(frozen=True)
class Node:
    """An operator with one output; `attributes` by name."""

    operator: str
    inputs: list[str]
    output: str
    attributes: dict


@dataclass(frozen=True)
class Graph:
    """Nodes in the order that data flows, constants, and the shape of everything."""

    nodes: list[Node]
    constants: dict[str, np.ndarray]
    shapes: dict[str, tuple[int, ...]]
    input: str
    output: str

    def macs(self) -> int:
        """Multiply-accumulates of one picture: convolutions and matrix products."""
        total = 0
        for node in self.nodes:
            if node.operator in ("Conv", "Gemm"):
                weight = self.constants[node.inputs[1]]
                per_output = weight[0].size if node.operator == "Conv" else self.shapes[node.inputs[0]][1]
                total += int(np.prod(self.shapes[node.output])) * int(per_output)
        return total


def same_upper(length: int, kernel: int, stride: int) -> tuple[int, int]:
    """What SAME_UPPER puts before and after."""
    total = max((-(-length // stride) - 1) * stride + kernel - length, 0)
    return total // 2, total - total // 2


def plain(source: Path, side: int) -> onnx.ModelProto:
    """The model in `source` for pictures of `side` pixels."""
    model = onnx.load(source)
    graph = model.graph
    height_width = graph.input[0].type.tensor_type.shape.dim[2:]
    for dimension in height_width:
        dimension.Clear()
        dimension.dim_value = side
    widen(graph)
    shapes = shapes_of(shape_inference.infer_shapes(model, strict_mode=True))
    for node in graph.node:
        if node.op_type == "Conv":
            pad_in_numbers(node, shapes[node.input[0]])
    onnx.checker.check_model(model, full_check=True)
    return model


def widen(graph: onnx.GraphProto) -> None:
    """Puts the widened tensor in the place of each cast of one in half precision."""
    halves = {tensor.name: tensor for tensor in graph.initializer if tensor.data_type == HALF}
    casts = [node for node in graph.node if node.op_type == "Cast" and node.input[0] in halves]
    for cast in casts:
        wide = numpy_helper.to_array(halves[cast.input[0]]).astype(np.float32)
        graph.initializer.append(numpy_helper.from_array(wide, cast.output[0]))
        graph.node.remove(cast)
    for tensor in halves.values():
        graph.initializer.remove(tensor)


def pad_in_numbers(node: onnx.NodeProto, shape: tuple[int, ...]) -> None:
    attributes = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
    if attributes.get("auto_pad", b"NOTSET") != b"SAME_UPPER":
        return
    strides = attributes.get("strides", [1, 1])
    (top, bottom), (left, right) = (
        same_upper(length, kernel, stride)
        for length, kernel, stride in zip(shape[2:], attributes["kernel_shape"], strides)
    )
    kept = [attribute for attribute in node.attribute if attribute.name != "auto_pad"]
    del node.attribute[:]
    node.attribute.extend([*kept, onnx.helper.make_attribute("pads", [top, left, bottom, right])])


def shapes_of(inferred: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    graph = inferred.graph
    values = [*graph.input, *graph.value_info, *graph.output]
    return {value.name: tuple(d.dim_value for d in value.type.tensor_type.shape.dim) for value in values}


def graph_of(model: onnx.ModelProto) -> Graph:
    """What `plain` gave, to walk along."""
    graph = model.graph
    nodes = [
        Node(
            node.op_type,
            list(node.input),
            node.output[0],
            {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute},
        )
        for node in graph.node
    ]
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    shapes = shapes_of(shape_inference.infer_shapes(model, strict_mode=True))
    return Graph(nodes, constants, shapes, graph.input[0].name, graph.output[0].name)
