"""Writes print.json: tensors and how PyTorch prints them.

Run with a PyTorch 2.x; the tests only read the file. A name of a dtype is printed without "torch.",
so the suffixes are put together here, by PyTorch's own line breaking.
"""

import json
import math
import random
from pathlib import Path

import torch
from torch import _tensor_str as ts

random.seed(1)
NAMES = {torch.bool: "bool"}


def dtype_name(dtype):
    return NAMES.get(dtype, str(dtype).removeprefix("torch."))


def text_of(t):
    suffixes = []
    if t.numel() == 0:
        if t.dim() != 1:
            suffixes.append(f"size={tuple(t.shape)}")
        if t.dtype != torch.float32:
            suffixes.append(f"dtype={dtype_name(t.dtype)}")
        body = "[]"
    else:
        if t.dtype not in (torch.float32, torch.int64, torch.bool):
            suffixes.append(f"dtype={dtype_name(t.dtype)}")
        body = ts._tensor_str(t, 7)
    return ts._add_suffixes("tensor(" + body, suffixes, 7, force_newline=False)


def number(v):
    return v if isinstance(v, (bool, int)) or math.isfinite(v) else str(v)


def case(t):
    """Values of large tensors are 0, 1, 2, ..."""
    flat = t.reshape(-1).tolist()
    return {
        "dtype": dtype_name(t.dtype),
        "sizes": list(t.shape),
        "values": [number(v) for v in flat] if len(flat) < 1000 else "arange",
        "text": text_of(t),
    }


def random_shape():
    while True:
        shape = [random.choice([1, 1, 2, 3, 5, 13]) for _ in range(random.choice([0, 1, 1, 2, 2, 3, 4]))]
        if math.prod(shape) <= 40:
            return shape


def random_float():
    kind = random.random()
    if kind < 0.1:
        return random.choice([0.0, -0.0, 1.0, -1.0, float("inf"), float("-inf"), float("nan")])
    if kind < 0.3:
        return float(random.randint(-20, 20))
    return round(random.gauss(0, 1) * 10 ** random.choice([0, 0, 0, 1, 2]), 5)


def main():
    cases = []
    for t in (
        torch.tensor([]),
        torch.zeros(0, 3),
        torch.zeros(2, 0, dtype=torch.int64),
        torch.zeros(0, dtype=torch.bool),
        torch.tensor(3.0),
        torch.tensor(-2.5, dtype=torch.float64),
        torch.tensor(7),
        torch.tensor(True),
        torch.tensor([1e9, 1.0]),
        torch.tensor([1e-5, 1.0]),
        torch.tensor([100000.0, 1.0]),
        torch.tensor([1e8, 2e8]),
        torch.tensor([0.0, 0.0]),
        torch.tensor([float("nan"), float("inf"), -float("inf")]),
        torch.tensor([float("nan"), 1.0, -float("inf")]),
        torch.tensor([float("nan"), 1.5, -float("inf")]),
        torch.tensor([float("nan"), 1e-6, -float("inf")]),
        torch.tensor([1, -2, 3], dtype=torch.int8),
        torch.tensor([[2**62, -5]]),
        torch.tensor([0.125, 0.25, 3000], dtype=torch.float16),
        torch.tensor([0.125, 0.25, 30], dtype=torch.bfloat16),
        torch.tensor([0.1, 1 / 3], dtype=torch.float64),
        torch.arange(1000, dtype=torch.float32),
        torch.arange(1001),
        torch.arange(1100, dtype=torch.float32).reshape(11, 100),
        torch.arange(1200, dtype=torch.int32).reshape(4, 300),
        torch.arange(1024, dtype=torch.int16).reshape(2, 8, 8, 8),
        torch.arange(1011, dtype=torch.float32).reshape(1, 1011),
        torch.arange(1011, dtype=torch.float32).reshape(337, 3, 1),
        torch.ones(60),
        torch.full((3, 40), 1 / 3),
    ):
        cases.append(case(t))
    for _ in range(120):
        shape = random_shape()
        values = [random_float() for _ in range(math.prod(shape))]
        dtype = random.choice([torch.float32] * 4 + [torch.float64, torch.float16, torch.bfloat16])
        cases.append(case(torch.tensor(values, dtype=dtype).reshape(shape)))
    for _ in range(40):
        shape = random_shape()
        dtype = random.choice([torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8])
        high = min(torch.iinfo(dtype).max, 10 ** random.randint(1, 9))
        values = [random.randint(0 if dtype == torch.uint8 else -high, high) for _ in range(math.prod(shape))]
        cases.append(case(torch.tensor(values, dtype=dtype).reshape(shape)))
    out = Path(__file__).with_suffix(".json")
    out.write_text("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]\n")
    print(len(cases), "cases,", out.stat().st_size, "bytes")


main()
