"""Writes optim.json: steps of PyTorch's optimisers and learning-rate schedules (torch 2.13, CPU)."""

import json
import math
import pathlib

import torch
from torch import nn, optim
from torch.optim import lr_scheduler as schedule

STEPS = 6
START = [1.0, -2.0, 0.5, 0.0]


def gradient(step):
    return [math.sin(1.3 * step + i) * 10.0 ** (i - 2) for i in range(len(START))]


def optimizer_case(kind, options):
    p = nn.Parameter(torch.tensor(START, dtype=torch.float64))
    o = getattr(optim, kind)([p], foreach=False, **options)
    values = []
    for step in range(STEPS):
        p.grad = torch.tensor(gradient(step), dtype=torch.float64)
        o.step()
        values.append(p.tolist())
    return {"optimizer": kind, "options": options, "values": values}


def schedule_case(make, steps, kind="SGD"):
    # Two groups, so that every schedule is seen to treat them apart.
    a, b = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))
    o = getattr(optim, kind)([{"params": [a]}, {"params": [b], "lr": 0.02}], lr=0.1)
    s = make(o)
    rows = []
    for step in range(steps):
        if step > 0:
            o.step()
            s.step()
        group = o.param_groups[0]
        momentum = group["betas"][0] if "betas" in group else group["momentum"]
        rows.append([group["lr"], o.param_groups[1]["lr"], momentum])
    return rows


optimizers = [
    optimizer_case("SGD", {"lr": 0.1}),
    optimizer_case("SGD", {"lr": 0.1, "weight_decay": 0.05, "maximize": True}),
    optimizer_case("SGD", {"lr": 0.1, "momentum": 0.9}),
    optimizer_case("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.01}),
    optimizer_case("SGD", {"lr": 0.1, "momentum": 0.8, "nesterov": True, "weight_decay": 0.01}),
    optimizer_case("Adam", {}),
    optimizer_case("Adam", {"lr": 0.1, "betas": [0.8, 0.95], "eps": 1e-3, "weight_decay": 0.1}),
    optimizer_case("Adam", {"lr": 0.1, "betas": [0.3, 0.9], "amsgrad": True, "maximize": True}),
    optimizer_case("AdamW", {}),
    optimizer_case("AdamW", {"lr": 0.1, "weight_decay": 0.2, "amsgrad": True}),
]

schedules = {
    "StepLR": schedule_case(lambda o: schedule.StepLR(o, 7, gamma=0.5), 40),
    "MultiStepLR": schedule_case(lambda o: schedule.MultiStepLR(o, [3, 20, 20, 31]), 40),
    "ExponentialLR": schedule_case(lambda o: schedule.ExponentialLR(o, 0.9), 40),
    "CosineAnnealingLR": schedule_case(
        lambda o: schedule.CosineAnnealingLR(o, 15, eta_min=0.001), 50
    ),
    "LambdaLR": schedule_case(lambda o: schedule.LambdaLR(o, lambda e: 1 / (1 + e)), 20),
    "LinearLR": schedule_case(lambda o: schedule.LinearLR(o), 10),
    "LinearLR down": schedule_case(
        lambda o: schedule.LinearLR(o, start_factor=1.0, end_factor=0.1, total_iters=8), 12
    ),
    "OneCycleLR": schedule_case(lambda o: schedule.OneCycleLR(o, 0.5, total_steps=40), 40),
    "OneCycleLR linear": schedule_case(
        lambda o: schedule.OneCycleLR(
            o, [0.5, 0.25], total_steps=33, anneal_strategy="linear", pct_start=0.4,
            div_factor=10.0, final_div_factor=100.0, base_momentum=0.7, max_momentum=0.9,
        ),
        33,
    ),
    "OneCycleLR three_phase": schedule_case(
        lambda o: schedule.OneCycleLR(o, 0.5, total_steps=40, three_phase=True), 40, "Adam"
    ),
    "OneCycleLR no momentum": schedule_case(
        lambda o: schedule.OneCycleLR(o, 0.5, total_steps=20, cycle_momentum=False), 21
    ),
    "SequentialLR": schedule_case(
        lambda o: schedule.SequentialLR(
            o,
            [
                schedule.LinearLR(o, start_factor=0.1, total_iters=5),
                schedule.CosineAnnealingLR(o, 20),
            ],
            [5],
        ),
        25,
    ),
}

content = {"start": START, "steps": STEPS, "optimizers": optimizers, "schedules": schedules}
path = pathlib.Path(__file__).with_suffix(".json")
path.write_text(json.dumps(content, separators=(",", ":")) + "\n")
