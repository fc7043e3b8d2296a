"""Writes crates/checkpoint/tests/weights/: tiny files by torch and safetensors, and their contents in expected.json.

Run it by hand with torch and safetensors installed: `python weights_fixtures.py`. In its older format torch names the
storages by their memory addresses, so those files differ between runs, in these names only.
"""

import argparse
import json
from collections import OrderedDict
from pathlib import Path

import safetensors.torch
import torch

FOLDER = Path(__file__).resolve().parents[2] / "crates/checkpoint/tests/weights"
FORMS = {"torch (zip)": "zip", "torch (legacy)": "legacy"}
FLOATS = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
expected = {}


def ramp(*shape, dtype=torch.float32):
    """Returns a tensor of distinct elements, all of them exact in every type."""
    count = torch.Size(shape).numel()
    return (torch.arange(count) * 0.25 - 1.5).reshape(shape).to(dtype)


def note(name, form, tensors, taken=None):
    def values(tensor):
        return tensor.detach().to(torch.float32).flatten().tolist() if tensor.dtype in FLOATS else None

    shown = {key: {"shape": list(value.shape), "values": values(value)} for key, value in tensors.items()}
    expected[name] = {"form": form, "taken": taken, "tensors": shown}


def save(stem, saved, tensors=None, taken=None, forms=FORMS, **options):
    """Saves in both of torch's formats; `tensors=False` marks a file that readers must reject."""
    for form, ending in forms.items():
        name = f"{stem}.{ending}.pth"
        torch.save(saved, FOLDER / name, _use_new_zipfile_serialization=ending == "zip", **options)
        if tensors is not False:
            note(name, form, saved if tensors is None else tensors, taken)


def types():
    named = {
        "f64": ramp(2, 3, dtype=torch.float64),
        "f32": ramp(2, 3),
        "f16": ramp(2, 3, dtype=torch.float16),
        "bf16": ramp(2, 3, dtype=torch.bfloat16),
        "i64": torch.arange(3),
        "i32": torch.arange(3, dtype=torch.int32),
        "i16": torch.arange(3, dtype=torch.int16),
        "i8": torch.arange(3, dtype=torch.int8),
        "u8": torch.arange(3, dtype=torch.uint8),
        "bool": torch.tensor([True, False]),
        "scalar": torch.tensor(0.5),
        "empty": torch.zeros(0, 3),
    }
    return named


def views():
    kernel = ramp(2, 3, 4, 5)
    return {
        "kernel": kernel,
        "hwio": kernel.permute(3, 2, 0, 1),
        "matrix": ramp(3, 4).t(),
        "middle": kernel[1, 1:, 1:3, 2:],
        "column": ramp(4, 3)[:, 1],
        "same": kernel,
        "cut": ramp(10)[4:7],
    }


def main():
    FOLDER.mkdir(exist_ok=True)
    torch.manual_seed(0)
    save("types", types())
    save("views", views())
    network = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 2), torch.nn.BatchNorm2d(3))
    state = network.state_dict()
    save("module", state)
    save("parallel", OrderedDict((f"module.{name}", value) for name, value in state.items()), state)
    save("parameters", OrderedDict(network.named_parameters()))
    save("newer_types", {"u16": torch.arange(3).to(torch.uint16), "f8": ramp(3).to(torch.float8_e5m2), "f32": ramp(3)})
    save("protocol_4", state, pickle_protocol=4)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    network(ramp(1, 2, 4, 4)).sum().backward()
    optimizer.step()
    state = {name: value.clone() for name, value in network.state_dict().items()}
    around = {"epoch": 3, "arch": "lite0", "best": 0.75, "seen": 1 << 40, "none": None, "done": True, "loss": ramp(1)}
    save("checkpoint", {**around, "optimizer": optimizer.state_dict(), "state_dict": state}, state, "state_dict")
    save("averaged", {**around, "state_dict_ema": state, "model": {"x": ramp(1)}}, state, "state_dict_ema")
    # Files that readers must reject.
    save("expanded", {"one": ramp(1).expand(3)}, False)
    save("whole_network", network, False, forms={"torch (zip)": "zip"})  # the older format contains torch's own source
    save("namespace", {"args": argparse.Namespace(lr=0.1), "state_dict": state}, False)
    save("list", [ramp(2)], False)
    for stem, tensors in (("types", types()), ("views", views())):
        name = f"{stem}.safetensors"
        copies = {key: value.clone(memory_format=torch.contiguous_format) for key, value in tensors.items()}
        content = safetensors.torch.save(copies, metadata={"format": "pt", "note": 'a "quoted" café'})
        (FOLDER / name).write_bytes(content)
        note(name, "safetensors", tensors)
    text = json.dumps(expected, indent=0, sort_keys=True).replace(",\n", ",").replace("[\n", "[").replace("\n]", "]")
    (FOLDER / "expected.json").write_text(text.replace('},"', '},\n"') + "\n")


if __name__ == "__main__":
    main()
