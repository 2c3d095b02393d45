#!/usr/bin/env python3
"""Writes quantized_linear.json: eager static and dynamic quantization of small linear networks.

Run with PyTorch 2.13 (CPU, engine fbgemm). The tests read the file; nothing else needs Python.
"""
import copy
import json
import pathlib
import warnings

import torch
import torch.ao.quantization as tq
from torch import nn

warnings.filterwarnings("ignore")
torch.backends.quantized.engine = "fbgemm"


def floats(t):
    return [float(v) for v in t.detach().flatten()]


def ints(t):
    return [int(v) for v in t.int_repr().flatten()]


def qparams_of(t):
    if t.qscheme() in (torch.per_channel_affine, torch.per_channel_symmetric):
        return {"scales": floats(t.q_per_channel_scales()),
                "zero_points": [int(z) for z in t.q_per_channel_zero_points()]}
    return {"scales": [t.q_scale()], "zero_points": [t.q_zero_point()]}


QCONFIGS = {
    "fbgemm": lambda: tq.get_default_qconfig("fbgemm"),
    "default": lambda: tq.default_qconfig,
    "per_channel": lambda: tq.default_per_channel_qconfig,
}


def static_case(name, relu, n, k, m, bias, seed, scale):
    torch.manual_seed(seed)
    layers = [tq.QuantStub(), nn.Linear(k, n, bias=bias)]
    if relu:
        layers.append(nn.ReLU())
    layers.append(tq.DeQuantStub())
    net = nn.Sequential(*layers).eval()
    x = torch.randn(m, k) * scale
    case = {"qconfig": name, "relu": relu, "weight": floats(net[1].weight),
            "bias": floats(net[1].bias) if bias else [], "n": n, "k": k, "m": m, "x": floats(x)}
    if relu:
        net = tq.fuse_modules(net, [["1", "2"]])
    net.qconfig = QCONFIGS[name]()
    net = tq.prepare(net)
    net(x)
    net = tq.convert(net)
    xq = net[0](x)
    yq = net[1](xq)
    w = net[1].weight()
    case.update({"x_ints": ints(xq), "x_qparams": qparams_of(xq), "w_ints": ints(w),
                 "w_qparams": qparams_of(w), "y_ints": ints(yq), "y_qparams": qparams_of(yq)})
    return case


def dynamic_case(per_channel, n, k, m, bias, seed):
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Linear(k, n, bias=bias)).eval()
    x = torch.randn(m, k) * 2 + 0.3
    qconfig = tq.per_channel_dynamic_qconfig if per_channel else tq.default_dynamic_qconfig
    q = tq.quantize_dynamic(copy.deepcopy(net), {nn.Linear: qconfig})
    return {"per_channel": per_channel, "weight": floats(net[0].weight),
            "bias": floats(net[0].bias) if bias else [], "n": n, "k": k, "m": m, "x": floats(x),
            "w_ints": ints(q[0].weight()), "y": floats(q(x))}


def main():
    static, dynamic = [], []
    seed = 0
    for name in QCONFIGS:
        for relu in (False, True):
            for n, k, m, bias, scale in ((5, 7, 6, True, 1.0), (8, 33, 4, False, 3.0),
                                         (3, 16, 9, True, 0.05)):
                seed += 1
                static.append(static_case(name, relu, n, k, m, bias, seed, scale))
    for per_channel in (False, True):
        for n, k, m, bias in ((5, 7, 6, True), (9, 40, 3, False)):
            seed += 1
            dynamic.append(dynamic_case(per_channel, n, k, m, bias, seed))
    out = pathlib.Path(__file__).with_suffix(".json")
    out.write_text(json.dumps({"static": static, "dynamic": dynamic}) + "\n")


main()
