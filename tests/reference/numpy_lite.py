"""EfficientNet-Lite's forward pass by its definition, in numpy and float64: slow, plain, and without shared code.

It reads the published tensors unchanged: batch norm is computed, not folded, and shapes come from the tensors. This
file adds only the facts that the tensors lack: the stages' repeats and strides, pads, epsilon, ReLU6.
"""

import math
from dataclasses import dataclass

import numpy as np

# (repeats at depth 1, stride of the first block); the first and the last stage keep one block at any depth.
STAGES = [(1, 1), (2, 2), (2, 2), (3, 2), (3, 1), (4, 2), (1, 1)]


@dataclass(frozen=True)
class Rules:
    """The rules that a wrong implementation is most likely to break."""

    epsilon: float = 1e-3
    symmetric_pads: bool = False  # PyTorch's: kernel // 2 on every edge


def pads(size: int, kernel: int, stride: int, rules: Rules) -> tuple[int, int]:
    """Returns TensorFlow's SAME pads: enough for the rounded-up output, an odd pixel at the bottom or the right."""
    if rules.symmetric_pads:
        return kernel // 2, kernel // 2
    needed = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
    return needed // 2, needed - needed // 2


def convolve(x: np.ndarray, weight: np.ndarray, stride: int, rules: Rules) -> np.ndarray:
    """Convolves x (CHW) with weight (OIHW); depthwise if the weight has one input channel and x has several."""
    kernel = weight.shape[2]
    x = np.pad(x, [(0, 0), *(pads(size, kernel, stride, rules) for size in x.shape[1:])])
    height, width = ((size - kernel) // stride + 1 for size in x.shape[1:])
    depthwise = weight.shape[1] == 1 and x.shape[0] > 1
    y = np.zeros((weight.shape[0], height, width))
    for row in range(kernel):
        for column in range(kernel):
            seen = x[:, row : row + stride * height : stride, column : column + stride * width : stride]
            tap = weight[:, :, row, column]
            if depthwise:
                y += seen * tap[:, :, None]
            else:
                y += (tap @ seen.reshape(seen.shape[0], -1)).reshape(y.shape)
    return y


class Forward:
    def __init__(self, state_dict: dict[str, np.ndarray], depth: float, rules: Rules = Rules()):
        self.tensors = {name: values.astype(np.float64) for name, values in state_dict.items()}
        self.strides = [
            stride if block == 0 else 1
            for stage, (repeats, stride) in enumerate(STAGES)
            for block in range(repeats if stage in (0, len(STAGES) - 1) else math.ceil(repeats * depth))
        ]
        self.rules = rules

    def convolve_and_norm(self, x: np.ndarray, convolution: str, norm: str, stride: int = 1) -> np.ndarray:
        y = convolve(x, self.tensors[f"{convolution}.weight"], stride, self.rules)
        gamma, beta, mean, variance = (
            self.tensors[f"{norm}.{part}"][:, None, None]
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        return (y - mean) / np.sqrt(variance + self.rules.epsilon) * gamma + beta

    def block(self, x: np.ndarray, number: int, stride: int) -> np.ndarray:
        entry, prefix = x, f"_blocks.{number}."
        if f"{prefix}_expand_conv.weight" in self.tensors:
            x = relu6(self.convolve_and_norm(x, f"{prefix}_expand_conv", f"{prefix}_bn0"))
        x = relu6(self.convolve_and_norm(x, f"{prefix}_depthwise_conv", f"{prefix}_bn1", stride))
        x = self.convolve_and_norm(x, f"{prefix}_project_conv", f"{prefix}_bn2")
        return x + entry if x.shape == entry.shape else x

    def logits(self, image: np.ndarray) -> np.ndarray:
        """Returns the logits of image, which is NCHW with one picture."""
        x = relu6(self.convolve_and_norm(image[0].astype(np.float64), "_conv_stem", "_bn0", stride=2))
        for number, stride in enumerate(self.strides):
            x = self.block(x, number, stride)
        x = relu6(self.convolve_and_norm(x, "_conv_head", "_bn1"))
        return self.tensors["_fc.weight"] @ x.mean(axis=(1, 2)) + self.tensors["_fc.bias"]


def relu6(x: np.ndarray) -> np.ndarray:
    return np.clip(x, 0.0, 6.0)
