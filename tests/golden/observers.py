"""Writes observers.json: what PyTorch 2.x's observers and fake-quantizes make of streams of numbers
that observers_test.cpp can make again bit for bit. Run: python observers.py (needs torch, CPU)."""

import json
import pathlib
import warnings

import torch
import torch.ao.quantization as q

warnings.filterwarnings("ignore")


def stream(kind, seed, count, factor):
    state, out = seed, []
    for _ in range(count):
        v = -2.0
        for _ in range(4):
            state = (state * 1664525 + 1013904223) % 2**32
            v += state / 2**32
        if kind == "relu":
            v = max(v, 0.0)
        elif kind == "cubic":
            v = v * v * v
        elif kind == "uniform":
            v = state / 2**32
        elif kind == "integers":
            v = float(round(v * 8))
        out.append(v * factor)
    if kind == "outlier":
        out[count // 2] = 30.0 * factor
    return torch.tensor(out, dtype=torch.float64).to(torch.float32)


def qparams(observer):
    scale, zero_point = observer.calculate_qparams()
    return {"scale": scale.tolist(), "zero_point": zero_point.tolist()}


DTYPES = {"quint8": torch.quint8, "qint8": torch.qint8, "qint32": torch.qint32}
TENSOR = [
    {},
    {"reduce_range": True},
    {"dtype": "qint8"},
    {"dtype": "qint8", "reduce_range": True},
    {"qscheme": "per_tensor_symmetric"},
    {"dtype": "qint8", "qscheme": "per_tensor_symmetric"},
    {"dtype": "qint8", "qscheme": "per_tensor_symmetric", "quant_min": -127, "quant_max": 127,
     "eps": 2**-12},
    {"qscheme": "per_tensor_symmetric", "quant_min": 0, "quant_max": 127},
    {"quant_min": 0, "quant_max": 15},
    {"dtype": "qint32"},
]
CHANNEL = [
    {"qscheme": "per_channel_affine"},
    {"dtype": "qint8", "qscheme": "per_channel_affine", "reduce_range": True},
    {"dtype": "qint8", "qscheme": "per_channel_symmetric"},
    {"qscheme": "per_channel_symmetric"},
    {"qscheme": "per_channel_affine_float_qparams"},
]


def options(o):
    o = dict(o)
    if "dtype" in o:
        o["dtype"] = DTYPES[o["dtype"]]
    if "qscheme" in o:
        o["qscheme"] = getattr(torch, o["qscheme"])
    return o


def observe(cls, o, tensors):
    observer = cls(**options(o))
    for x in tensors:
        observer(x)
    result = {"observer": cls.__name__, "options": o, **qparams(observer)}
    if cls is q.HistogramObserver:
        result["range"] = [float(observer.min_val), float(observer.max_val)]
        result["counts"] = [float(observer.histogram.sum()), int((observer.histogram > 0).sum())]
    return result


streams = []
for kind in ["normal", "relu", "cubic", "uniform", "outlier", "integers"]:
    for seed, sizes, factors in [
        (2, [600, 1200], [0.37, 1.9]),
        (3, [1800, 600, 2400], [0.011, 0.003, 0.02]),
        (4, [300, 300, 300, 300], [5.0, 5.5, 1.25, 60.0]),
    ]:
        tensors = [stream(kind, seed * 100 + i, n, f) for i, (n, f) in enumerate(zip(sizes, factors))]
        results = []
        for o in TENSOR:
            results.append(observe(q.MinMaxObserver, o, tensors))
            if o.get("dtype") != "qint32" and not ("quant_min" in o and o["quant_max"] == 15):
                for c in [0.01, 0.5]:
                    results.append(observe(q.MovingAverageMinMaxObserver,
                                           {"averaging_constant": c, **o}, tensors))
                results.append(observe(q.HistogramObserver, o, tensors))
        results.append(observe(q.HistogramObserver, {"bins": 100}, tensors))
        channels = [x.reshape(-1, 4, 3) for x in tensors]
        for o in CHANNEL:
            results.append(observe(q.PerChannelMinMaxObserver, {"ch_axis": 2, **o}, channels))
            results.append(observe(q.MovingAveragePerChannelMinMaxObserver,
                                   {"averaging_constant": 0.1, "ch_axis": 1, **o}, channels))
        fake = []
        for o in [{}, {"reduce_range": True}, {"dtype": "qint8", "qscheme": "per_tensor_symmetric"}]:
            lo, hi = (-128, 127) if "dtype" in o else (0, 255)
            f = q.FakeQuantize(observer=q.MovingAverageMinMaxObserver, quant_min=lo, quant_max=hi,
                               **options(o))
            for x in tensors:
                y = f(x)
            fake.append({"options": {"quant_min": lo, "quant_max": hi, **o}, **qparams(f),
                         "first": y[:12].tolist()})
        streams.append({"kind": kind, "seed": seed, "sizes": sizes, "factors": factors,
                        "results": results, "fake_quantize": fake})

with (pathlib.Path(__file__).parent / "observers.json").open("w") as file:
    file.write("[\n")
    file.write(",\n".join(json.dumps(s, separators=(",", ":")) for s in streams))
    file.write("\n]\n")
