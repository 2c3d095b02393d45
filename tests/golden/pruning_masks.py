"""Writes pruning_masks.json: masks and schedules as torch.ao.pruning computes them.

Run with a PyTorch 2.x; the tests only read the file. Weights are random, so that no two blocks
count the same: PyTorch leaves the order of equals open. Where a shape is not a multiple of the block
only whole blocks are pruned, since PyTorch refuses anything else.
"""

import json
from pathlib import Path

import torch
from torch.ao.pruning import CubicSL, NearlyDiagonalSparsifier, WeightNormSparsifier

torch.manual_seed(7)


def linear(rows, cols, dtype=torch.float32):
    net = torch.nn.Sequential(torch.nn.Linear(cols, rows, bias=False, dtype=dtype))
    with torch.no_grad():
        net[0].weight.copy_(torch.randn(rows, cols, dtype=dtype))
    return net


def mask_text(net):
    mask = net[0].parametrizations.weight[0].mask
    return ["".join("1" if v else "0" for v in row) for row in mask.tolist()]


def weight_norm(rows, cols, block, zeros, norm, levels, dtype=torch.float32):
    net = linear(rows, cols, dtype)
    weight = net[0].weight.flatten().tolist()
    sparsifier = WeightNormSparsifier(sparse_block_shape=block, zeros_per_block=zeros, norm=norm)
    sparsifier.prepare(net, [{"tensor_fqn": "0.weight"}])
    masks = []
    for level in levels:
        sparsifier.groups[0]["sparsity_level"] = level
        sparsifier.step()
        masks.append(mask_text(net))
    return {
        "shape": [rows, cols],
        "dtype": str(dtype).removeprefix("torch."),
        "weight": weight,
        "block": block,
        "zeros": zeros,
        "norm": norm,
        "levels": levels,
        "masks": masks,
    }


def nearly_diagonal(rows, cols, nearliness):
    net = linear(rows, cols)
    sparsifier = NearlyDiagonalSparsifier(nearliness=nearliness)
    sparsifier.prepare(net, [{"tensor_fqn": "0.weight"}])
    sparsifier.step()
    return {"shape": [rows, cols], "nearliness": nearliness, "mask": mask_text(net)}


def cubic(level, steps, **options):
    sparsifier = WeightNormSparsifier(sparsity_level=level)
    sparsifier.prepare(linear(4, 4), [{"tensor_fqn": "0.weight"}])
    scheduler = CubicSL(sparsifier, **options)
    levels = [sparsifier.groups[0]["sparsity_level"]]
    for _ in range(steps):
        sparsifier.step()
        scheduler.step()
        levels.append(sparsifier.groups[0]["sparsity_level"])
    return {"base_sl": level, "options": options, "levels": levels}


growing = [0.1, 0.25, 0.5, 0.77, 0.99]
weight_norms = [
    weight_norm(8, 8, [1, 4], 4, 2, growing),
    weight_norm(8, 8, [1, 4], 4, 1, growing),
    weight_norm(8, 8, [1, 1], 1, 2, growing),
    weight_norm(6, 8, [2, 2], 4, 2, growing),
    weight_norm(8, 4, [4, 1], 4, 1, growing),
    weight_norm(4, 8, [1, 4], 2, 2, [1.0]),
    weight_norm(4, 8, [1, 4], 2, 2, [0.5, 0.8]),
    weight_norm(4, 8, [1, 4], 1, 1, [0.3, 0.9]),
    weight_norm(4, 6, [2, 3], 5, 2, [0.5, 1.0]),
    weight_norm(8, 8, [4, 4], 7, 2, [0.5, 1.0]),
    weight_norm(5, 7, [2, 3], 6, 2, growing),
    weight_norm(5, 7, [3, 4], 12, 1, growing),
    weight_norm(3, 10, [1, 4], 4, 2, growing),
    weight_norm(1, 3, [1, 4], 4, 2, [0.5, 1.0]),
    weight_norm(7, 5, [8, 8], 64, 2, [0.9, 1.0]),
    weight_norm(6, 8, [1, 4], 4, 2, growing, torch.float64),
    weight_norm(4, 8, [1, 4], 3, 1, [0.5, 0.9], torch.float64),
]
diagonals = [
    nearly_diagonal(r, c, n)
    for r, c, n in [(3, 3, 1), (3, 3, 3), (3, 3, 5), (4, 4, 3), (4, 4, 5), (5, 3, 3), (3, 6, 1)]
] + [nearly_diagonal(4, 4, 0), nearly_diagonal(4, 4, -3)]
cubics = [
    cubic(0.8, 14, init_sl=0.1, init_t=3, delta_t=2, total_t=5, initially_zero=True),
    cubic(0.4, 14, init_sl=0.1, init_t=3, delta_t=2, total_t=5),
    cubic(0.8, 12),
    cubic(1.0, 8, delta_t=1, total_t=7),
    cubic(0.95, 6, init_sl=0.5, init_t=1, delta_t=1, total_t=3),
]
content = {"weight_norm": weight_norms, "nearly_diagonal": diagonals, "cubic": cubics}
path = Path(__file__).with_suffix(".json")
path.write_text(json.dumps(content, separators=(",", ":")) + "\n")
