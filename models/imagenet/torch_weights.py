"""Reads a PyTorch state dict in the legacy format (before 1.6, not a zip) with numpy only.

A pickle can make its reader call any function. This reader therefore refuses all names that such a file does not
need, and replaces those of torch by its own.

The file has five pickles: magic number, protocol, system information, state dict, list of storage keys. The storages
follow, each with its number of elements (int64) and its elements, little-endian.
"""

import io
import pickle
import struct
from collections import OrderedDict
from dataclasses import dataclass, field

import numpy as np

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
ELEMENT = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


@dataclass
class Storage:
    """Flat run of elements that tensors view."""

    element: np.dtype
    count: int
    elements: np.ndarray = field(default_factory=lambda: np.empty(0))


@dataclass
class View:
    """Description of a tensor; its storage is read later."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def to_array(self) -> np.ndarray:
        """Returns a contiguous copy. The tensors are transposed views of TensorFlow's HWIO kernels."""
        elements = self.storage.elements
        last = self.offset + sum((n - 1) * stride for n, stride in zip(self.shape, self.strides))
        if self.offset < 0 or min(self.strides, default=0) < 0 or last >= elements.size:
            raise ValueError("a tensor exceeds its storage")
        byte_strides = [stride * elements.itemsize for stride in self.strides]
        view = np.lib.stride_tricks.as_strided(elements[self.offset :], self.shape, byte_strides, writeable=False)
        return np.ascontiguousarray(view).reshape(self.shape)


def rebuild_view(storage, offset, shape, strides, *_gradient_and_hooks) -> View:
    return View(storage, offset, shape, strides)


class StateDictUnpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, storages: dict[str, Storage]):
        super().__init__(file)
        self.storages = storages

    def find_class(self, module, name):
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return rebuild_view
        if module == "torch" and name in ELEMENT:
            return ELEMENT[name]
        raise pickle.UnpicklingError(f"forbidden Python object {module}.{name}: no state dict needs it")

    def persistent_load(self, reference):
        kind, element, key, _device, count, view_of = reference
        if kind != "storage" or view_of is not None:
            raise pickle.UnpicklingError(f"unsupported persistent id {reference}")
        return self.storages.setdefault(key, Storage(element, count))


def read_state_dict(data: bytes) -> dict[str, np.ndarray]:
    """Returns the tensors by name, each as a contiguous array."""
    file, storages = io.BytesIO(data), {}

    def next_pickle():
        return StateDictUnpickler(file, storages).load()

    if next_pickle() != MAGIC or next_pickle() != PROTOCOL:
        raise ValueError("not a legacy PyTorch file")
    if not next_pickle()["little_endian"]:
        raise ValueError("a big-endian PyTorch file is not supported")
    views = next_pickle()
    for key in next_pickle():
        read_storage(file, storages[key])
    if file.read(1):
        raise ValueError("unexpected bytes after the last storage")
    return {name: view.to_array() for name, view in views.items()}


def read_storage(file: io.BytesIO, storage: Storage) -> None:
    (count,) = struct.unpack("<q", file.read(8))
    if count != storage.count:
        raise ValueError(f"a storage has {count} elements, its tensors need {storage.count}")
    storage.elements = np.frombuffer(file.read(count * storage.element.itemsize), storage.element)
