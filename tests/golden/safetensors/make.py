"""Files as the Python package safetensors writes them, for tests/core/serialization_test.cpp.

Run with torch and safetensors installed: python make.py
"""

import os

import torch
from safetensors.torch import save_file

here = os.path.dirname(os.path.abspath(__file__))


def write(name, tensors, metadata=None):
    save_file(tensors, os.path.join(here, name), metadata=metadata)


write(
    "dtypes.safetensors",
    {
        "f32": torch.tensor([[1.5, -2.25, 3e38], [0.0, -0.0, 1e-45]]),
        "f64": torch.tensor([0.1, -1e300], dtype=torch.float64),
        "f16": torch.tensor([1.5, -65504.0, 6e-8], dtype=torch.float16),
        "bf16": torch.tensor([1.5, -3e38], dtype=torch.bfloat16),
        "i8": torch.tensor([-128, 0, 127], dtype=torch.int8),
        "i16": torch.tensor([-32768, 32767], dtype=torch.int16),
        "i32": torch.tensor([-(2**31), 2**31 - 1], dtype=torch.int32),
        "i64": torch.tensor([[-(2**63)], [2**63 - 1]], dtype=torch.int64),
        "u8": torch.tensor([[[0, 255]]], dtype=torch.uint8),
        "bool": torch.tensor([True, False, True]),
    },
    {"made by": "safetensors", "schlüssel": "größe ✓"},
)
write("shapes.safetensors", {"scalar": torch.tensor(7.0), "none": torch.zeros(0, 3), "größe": torch.ones(1, 1, 2)})
write("empty.safetensors", {})
