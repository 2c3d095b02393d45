#!/usr/bin/env python3
"""Writes fx_quantization/*.json: what PyTorch's FX graph mode quantization makes of small networks.

Run with PyTorch 2.13 (CPU, engine fbgemm). The tests read the files; nothing else needs Python.
fx_networks.py has the networks, qconfig mappings and custom configs by name.

networks.json: {"engine", "torch", "networks": {name: network}}. static.json (one qconfig for all),
mappings.json (other qconfig mappings, custom configs), dynamic.json and qat.json (calibrated in
training mode):

    {"engine", "torch", "settings": [settings of an observer, ...], "cases": [case, ...]}

    network {"parameters": {key: tensor}, "calibration": [[tensor, ...], ...],
             "test": [tensor, ...], "float": [tensor, ...], what the float network in eval mode
             makes of "test"}
    case    {"name", "network", "mapping", "custom", "prepared": stage, "reference": stage,
             "converted": stage}; a network with quantized input gets "test" as quint8 with scale
             1/16, zero point 64
    stage   graph and "state": keys of the state_dict without those of observers and quantized
            layers, "output": what it makes of "test"; or {"raises", "message"} for all of it or
            for "output".
            The reference has "weights" and "output" only where they differ from the converted, and
            no "state": it is that of the float layers, weight_scale, weight_zero_point,
            weight_axis, weight_qscheme and weight_dtype of each, and scales and zero points.
    graph   {"nodes": [node, ...], "modules": {path: class},
             "inner": {path: graph} of modules that have a graph of their own,
             "observers": {path: {"settings", "min", "max", "scale", "zero_point"}}, the
             last four are lists where each row has its own,
             "shared": [[path, ...], ...] for one observer with several paths, which stands in
             "observers" under the first,
             "weights": {path of layer or packed weight: tensor},
             "qparams": {path of layer: {"scale", "zero_point"}}}; what is empty is absent
    node    {"name", "op", "target", "args", "users", "torch"}. In "args" a string is a node;
            others are {"dtype": name}, {"slice": [start, stop, step]}, lists, numbers, booleans,
            null. Scales and zero points are numbers; their get_attr nodes are left out. Functions
            have the names and the full positional arguments of the ops in C++; methods are
            functions; "torch" is [opcode, target] where PyTorch has several spellings. Absent are
            "op" when call_function; "target" when it is the name, for functions the name without
            _1, _2, ...; "args" when empty; "users" (their number) when 1.
    tensor  {"shape", "values", "step"}, values to be multiplied by the step where there is one, or
            {"shape", "ints", "dtype", "scale", "zero_point"}, or "scales" of the rows, whose zero
            points are 0

Real numbers are the shortest that are equal as float32. "settings" in an observer is an index into
the list of the file, which is the same in all files.

remarks.json: {"engine", "torch", "remarks": [{"name", "raises", "message", "warnings", "nodes"}]},
"raises" is "" for a call that went well; "nodes" then, when it made a graph. Long messages are cut.

Weights and inputs are multiples of powers of two, so that sums are exact in float32 in any order;
no activation that is quantized lies near the middle between two integers.
"""

import copy
import json
import operator
import pathlib
import re
import sys
import warnings

import numpy
import torch
import torch.nn.functional as F
from torch import fx, nn
from torch.ao import quantization as tq
from torch.ao.nn import quantized as nnq
from torch.ao.nn.quantized import reference as nnqr
from torch.ao.quantization import quantize_fx
from torch.ao.quantization.fx.custom_config import ConvertCustomConfig, PrepareCustomConfig

sys.dont_write_bytecode = True  # no __pycache__ beside the sources
from fx_networks import (CONVERT_MAPPINGS, CUSTOM, ENGINE, Gate, MAPPINGS, NETWORKS, default, empty,
                         per_channel, per_tensor)

torch.backends.quantized.engine = ENGINE
torch.set_num_threads(1)
warnings.filterwarnings("ignore")
FOLDER = pathlib.Path(__file__).with_suffix("")

# ---- what the files hold -------------------------------------------------------------------------

OPS = {  # name in C++: (PyTorch's, arguments that follow with their defaults)
    "add": ([operator.add, torch.add], {}),
    "sub": ([operator.sub], {}),
    "mul": ([operator.mul, torch.mul], {}),
    "relu": ([F.relu, torch.relu, "relu"], {}),
    "sigmoid": ([torch.sigmoid, "sigmoid"], {}),
    "tanh": ([torch.tanh], {}),
    "exp": ([torch.exp], {}),
    "softmax": ([F.softmax], {"dim": None}),
    "linear": ([F.linear], {"weight": None, "bias": None}),
    "dropout": ([F.dropout], {"p": 0.5, "training": True}),
    "cat": ([torch.cat], {"dim": 0}),
    "chunk": ([torch.chunk], {"chunks": None, "dim": 0}),
    "split": ([torch.split], {"split_size_or_sections": None, "dim": 0}),
    "getitem": ([operator.getitem], {}),
    "size": (["size"], {"dim": None}),
    "flatten": ([torch.flatten], {"start_dim": 0, "end_dim": -1}),
    "transpose": (["transpose"], {"dim0": None, "dim1": None}),
    "reshape": (["reshape", "view"], {}),
    "permute": (["permute"], {}),
    "unsqueeze": ([torch.unsqueeze], {"dim": None}),
    "squeeze": ([torch.squeeze], {"dim": None}),
    "dequantize": (["dequantize"], {}),
    "to": (["to"], {}),
    "quantize_per_tensor": ([torch.quantize_per_tensor], {}),
    "quantize_per_channel": ([torch.quantize_per_channel], {}),
    "quantize_per_tensor_dynamic": ([torch.quantize_per_tensor_dynamic], {}),
}
OP_NAMES = {target: name for name, (targets, _) in OPS.items() for target in targets}
DROPPED = {"inplace", "_stacklevel"}  # arguments that mean nothing in a graph


def target_text(target):
    if isinstance(target, str):
        return target
    if isinstance(target, torch._ops.OpOverloadPacket):
        return f"torch.ops.{target}"
    return f"{target.__module__ or 'torch'}.{target.__name__}".removeprefix("_")


class Values:
    """What the get_attr nodes of a graph read."""

    def __init__(self, net):
        self.modules = dict(net.named_modules(remove_duplicate=False))

    def __getitem__(self, node):
        *path, leaf = node.target.split(".")
        return getattr(self.modules[".".join(path)], leaf)

    def is_number(self, node):
        """It is a scale, a zero point or an axis."""
        return node.op == "get_attr" and bool(
            re.search(r"_(scale|zero_point|axis)_\d+$", node.target))

    def argument(self, a):
        if isinstance(a, fx.Node):
            return numbers(self[a]) if self.is_number(a) else a.name
        if isinstance(a, (list, tuple)):
            return [self.argument(v) for v in a]
        if isinstance(a, torch.dtype):
            return {"dtype": str(a).removeprefix("torch.")}
        if isinstance(a, slice):
            return {"slice": [a.start, a.stop, a.step]}
        assert a is None or isinstance(a, (bool, int, float)), a
        return a


def function(node):
    """Name and full positional arguments."""
    args, kwargs = list(node.args), {k: v for k, v in node.kwargs.items() if k not in DROPPED}
    name = OP_NAMES.get(node.target)
    if name is None:
        room, name = str(node.target).split(".")  # torch.ops.quantized.add prints quantized.add
        assert room == "quantized", node.target
        return f"quantized::{name}", args + list(kwargs.values())
    if name in ("reshape", "permute") and not isinstance(args[1], (list, tuple)):
        args = [args[0], args[1:]]
    for position, (key, value) in enumerate(OPS[name][1].items(), 1):
        given = kwargs.pop(key, value)
        if position >= len(args):
            args.append(given)
    if name == "softmax":
        assert kwargs.pop("dtype") is None
    assert not kwargs, (name, kwargs)
    return name, args


def class_name(module):
    """Linear, quantized::Linear, intrinsic::qat::LinearReLU, ..."""
    cls = type(module)
    name, path = cls.__name__, cls.__module__
    if path.startswith("torch.ao.nn."):
        rooms = path.removeprefix("torch.ao.nn.").split(".")
        known = ("intrinsic", "quantized", "dynamic", "reference", "qat")
        name = "::".join([r for r in rooms if r in known] + [name])
    return name


def number(v):
    """The shortest decimal number that is this float32; an integer where it is one."""
    text = str(numpy.float32(v))
    assert numpy.float32(float(text)) == numpy.float32(v)
    return int(float(text)) if float(text).is_integer() else float(text)


def numbers(t):
    return number(t.item()) if t.numel() == 1 else [number(v) for v in t]


def tensor(t, scales=()):
    """Float tensors as multiples of a power of two, or of one of the scales, where they are."""
    t = t.detach()
    out = {"shape": list(t.shape)}
    if t.is_quantized:
        out |= {"ints": t.int_repr().flatten().tolist(),
                "dtype": str(t.dtype).removeprefix("torch.")}
        if t.qscheme() == torch.per_tensor_affine:
            return out | {"scale": number(t.q_scale()), "zero_point": t.q_zero_point()}
        assert not t.q_per_channel_axis() and not t.q_per_channel_zero_points().any()
        return out | {"scales": numbers(t.q_per_channel_scales())}
    assert t.dtype == torch.float32, t.dtype
    for step in [2.0**-k for k in range(11)] + list(scales):
        multiples = torch.round(t / step)
        if torch.equal(multiples * step, t):
            return out | {"step": step, "values": [int(v) for v in multiples.flatten()]}
    return out | {"values": [number(v) for v in t.flatten()]}


def tensors(result, scales=()):
    return [tensor(t, scales) for t in (result if isinstance(result, tuple) else (result,))]


SETTINGS = []  # distinct settings of observers


def observer(o):
    """Settings and what it saw; a fake-quantize with its observer inside."""
    inner = getattr(o, "activation_post_process", o)
    settings = {"class": type(o).__name__, "dtype": str(o.dtype).removeprefix("torch.")}
    if inner is not o:
        settings["observer"] = type(inner).__name__
    out = {}
    if isinstance(inner, tq.PlaceholderObserver):
        settings["is_dynamic"] = inner.is_dynamic
    else:
        settings |= {"quant_min": inner.quant_min, "quant_max": inner.quant_max,
                     "qscheme": str(inner.qscheme).removeprefix("torch.")}
        scale, zero_point = o.calculate_qparams()
        if hasattr(inner, "min_val") and inner.min_val.isfinite().all():
            out = {"min": numbers(inner.min_val), "max": numbers(inner.max_val)}
        out |= {"scale": numbers(scale), "zero_point": numbers(zero_point)}
    if settings not in SETTINGS:
        SETTINGS.append(settings)
    return {"settings": SETTINGS.index(settings)} | out


def is_observer(module):
    return isinstance(module, (tq.ObserverBase, tq.FakeQuantizeBase))


def graph(net):
    values = Values(net)
    modules = values.modules
    nodes, weights, qparams = [], {}, {}
    for n in net.graph.nodes:
        if values.is_number(n):
            continue
        if n.op == "get_attr" and isinstance(values[n], torch.ScriptObject):
            weights[n.target] = tensor(values[n].unpack()[0])
        op, target, args = n.op, n.target, list(n.args)
        if op in ("call_function", "call_method"):
            op, (target, args) = "call_function", function(n)
        node = {"name": n.name, "op": op, "target": target, "args": values.argument(args),
                "users": len(n.users)}
        if target in OPS and len(OPS[target][0]) > 1:
            node["torch"] = [n.op, target_text(n.target)]
        short = re.sub(r"_\d+$", "", n.name) if op == "call_function" else n.name
        for key, usual in (("op", "call_function"), ("target", short), ("args", []), ("users", 1)):
            if node[key] == usual:
                del node[key]
        nodes.append(node)
    inner = {p: m for p, m in modules.items() if p and isinstance(m, fx.GraphModule)}

    def outside(path):
        return path and not any(path.startswith(p + ".") for p in inner)

    observers, names = {}, {}
    for path, m in modules.items():
        if not outside(path):
            continue
        if is_observer(m) and not path.endswith(".activation_post_process"):
            if id(m) not in names:
                observers[path] = observer(m)
            names.setdefault(id(m), []).append(path)
        if isinstance(m, (nnq.Linear, nnq.dynamic.Linear)):
            weights[path] = tensor(m.weight())
        if isinstance(m, nnqr.Linear):
            weights[path] = tensor(m.get_quantized_weight()) if quantizes(m) else None
        if isinstance(m, nnq.Linear):
            qparams[path] = {"scale": number(m.scale), "zero_point": int(m.zero_point)}
    out = {"nodes": nodes,
           "modules": {p: class_name(m) for p, m in modules.items()
                       if outside(p) and not is_observer(m) and class_name(m)
                       != "quantized::LinearPackedParams"},
           "inner": {p: graph(m) for p, m in inner.items()},
           "observers": observers, "shared": [g for g in names.values() if len(g) > 1],
           "weights": {p: w for p, w in weights.items() if w},
           "qparams": qparams}
    return {key: value for key, value in out.items() if value or key == "nodes"}


def quantizes(reference_module):
    return reference_module.weight_qscheme is not None and reference_module.weight_dtype not in (
        torch.float16, torch.float32)


# ---- one case ------------------------------------------------------------------------------------

def dyadic(generator, shape, spread, step):
    return torch.round(torch.randn(shape, generator=generator) * spread / step) * step


class NearTie(Exception):
    pass


class TieCheck(fx.Interpreter):
    """Runs a reference network; fails where an activation lies between two integers."""

    def run_node(self, n):
        scale = None
        if n.target is torch.quantize_per_tensor and n.args[0].op != "get_attr":
            x, scale, *_ = self.fetch_args_kwargs_from_env(n)[0]
        if n.target is torch.quantize_per_tensor_dynamic:
            x, _, reduce_range = self.fetch_args_kwargs_from_env(n)[0]
            scale = torch.tensor(torch._choose_qparams_per_tensor(x, reduce_range)[0])
        if scale is not None:
            scaled = x.detach().double() / scale.double()
            if ((scaled - scaled.floor() - 0.5).abs() < 2e-4).any():
                raise NearTie
        return super().run_node(n)


def raised(error):
    """Type and first words."""
    text = str(error).split("\n")[0].strip()
    text = text if len(text) < 80 else text[:77] + "..."
    return {"raises": type(error).__name__, "message": text}


def state(net):
    """Keys of the state_dict, without those inside observers and quantized layers."""
    quantized = (nnq.Linear, nnq.dynamic.Linear)
    inside = tuple(p + "." for p, m in net.named_modules(remove_duplicate=False)
                   if is_observer(m) or isinstance(m, quantized))
    return [key for key in net.state_dict() if not key.startswith(inside)]


def stage(net, inputs):
    out = graph(net)
    try:
        scales = {a for n in out["nodes"] for a in n.get("args", []) if isinstance(a, float)}
        scales |= {q["scale"] for q in out.get("qparams", {}).values()}
        out["output"] = tensors(net(*inputs), sorted(scales))
    except (RuntimeError, NotImplementedError) as e:
        out["output"] = raised(e)
    return out


def data(name, seed):
    """The network with parameters, two batches for calibration, one for the test."""
    generator = torch.Generator().manual_seed(seed)
    net = make(name).eval()
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(dyadic(generator, p.shape, 0.5, 1 / 16))
    batches = [tuple(dyadic(generator, s, 1.0, 1 / 8) for s in NETWORKS[name][1])
               for _ in range(3)]
    return net, batches[:2], batches[2]


def case(net, calibration, test, name, mapping, custom, kind):
    """What prepare and the two converts make of the network; `kind` is the name of the file."""
    out = {"name": " ".join([name, mapping, custom]).strip(), "network": name,
           "mapping": mapping, "custom": custom}
    qat = kind == "qat"
    first, second = CONVERT_MAPPINGS.get(mapping, (MAPPINGS.get(mapping), None))
    prepare = quantize_fx.prepare_qat_fx if qat else quantize_fx.prepare_fx
    prepared = prepare(copy.deepcopy(net).train(qat), first(), calibration[0],
                       prepare_custom_config=CUSTOM[custom]())
    for batch in calibration:
        prepared(*batch)
    prepared.eval()
    if qat:
        prepared.apply(tq.disable_observer)
        out["prepared"] = stage(prepared, test)
    else:
        out["prepared"] = graph(prepared)
    out["prepared"]["state"] = state(prepared)

    if custom in ("input_quantized", "input_and_output_quantized"):
        test = tuple(torch.quantize_per_tensor(x, 1 / 16, 64, torch.quint8) for x in test)
    arguments = {"convert_custom_config": ConvertCustomConfig()}
    if custom == "preserved":
        arguments["convert_custom_config"].set_preserved_attributes(["note"])
    if second:
        arguments["qconfig_mapping"] = second()
    for key, convert in (("reference", quantize_fx.convert_to_reference_fx),
                         ("converted", quantize_fx.convert_fx)):
        try:
            result = convert(copy.deepcopy(prepared), **arguments)
        except Exception as e:
            out[key] = raised(e)
            continue
        out[key] = stage(result, test)
        if key == "converted":
            out[key]["state"] = state(result)
        elif "raises" not in out[key]["output"]:
            TieCheck(result).run(*test)
        if custom == "preserved":
            out[key]["note"] = result.note
    for key in ("weights", "output"):
        reference, converted = (out[k].get(key) for k in ("reference", "converted"))
        if reference and converted and (reference == converted if key == "output" else
                                        list(reference.values()) == list(converted.values())):
            del out["reference"][key]
    return out


def record(name, cases):
    """Data of a network, from the first seed without near ties, and its cases."""
    for seed in range(1000):
        try:
            net, calibration, test = data(name, seed)
            results = [case(net, calibration, test, *c) for c in cases]
        except NearTie:
            continue
        return {"parameters": {key: tensor(v) for key, v in net.state_dict().items()},
                "calibration": [[tensor(x) for x in batch] for batch in calibration],
                "test": [tensor(x) for x in test], "float": tensors(net(*test))}, results
    raise RuntimeError(f"{name}: ties with every seed")


# ---- errors and warnings -------------------------------------------------------------------------

def remark(name, function):
    """What a call raises, warns of, and how its result is built."""
    out = {"name": name, "raises": "", "message": ""}
    torch.manual_seed(0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = None
        try:
            result = function()
        except Exception as e:
            out |= raised(e)
    said = {(w.category.__name__, raised(w.message)["message"]) for w in caught
            if not issubclass(w.category, (DeprecationWarning, FutureWarning))}
    out["warnings"] = [{"category": c, "message": m} for c, m in sorted(said)]
    if isinstance(result, fx.GraphModule):
        out["nodes"] = graph(result)["nodes"]
    return out


def make(name):
    return NETWORKS[name][0]()


def prepared(name, mapping, custom=None):
    shapes = NETWORKS[name][1]
    mapping = MAPPINGS[mapping]() if isinstance(mapping, str) else mapping
    return quantize_fx.prepare_fx(make(name).eval(), mapping, tuple(torch.ones(s) for s in shapes),
                                  prepare_custom_config=custom)


def calibrated(name, mapping):
    net = prepared(name, mapping)
    net(*(torch.ones(s) for s in NETWORKS[name][1]))
    return net


class Assigns(nn.Module):
    def forward(self, x):
        x[0] = 0
        return x


class Counts(nn.Module):
    def forward(self, x):
        return x * len(x)


class Iterates(nn.Module):
    def forward(self, x):
        return [row for row in x][0]


class Foreign(nn.Module):
    """Calls a layer that is no child."""
    def forward(self, x):
        return FOREIGN(x)


FOREIGN = nn.Linear(6, 6)


def prepare_net(net):
    return quantize_fx.prepare_fx(net.eval(), default(), (torch.ones(3, 6),))


REMARKS = {
    "control flow on a tensor": lambda: prepare_net(Gate()),
    "item assignment": lambda: prepare_net(Assigns()),
    "len of a tensor": lambda: prepare_net(Counts()),
    "iteration over a tensor": lambda: prepare_net(Iterates()),
    "a layer that is no child": lambda: prepare_net(Foreign()),
    "training mode": lambda: quantize_fx.prepare_fx(make("mlp").train(), default(),
                                                    (torch.ones(3, 6),)),
    "qat in eval mode": lambda: quantize_fx.prepare_qat_fx(make("mlp").eval(), MAPPINGS["qat"](),
                                                           (torch.ones(3, 6),)),
    "no example inputs": lambda: quantize_fx.prepare_fx(make("mlp").eval(), default(), ()),
    "name that matches nothing": lambda: prepared(
        "mlp", empty().set_module_name("nowhere", per_channel)),
    "type that matches nothing": lambda: prepared(
        "mlp", empty().set_object_type(nn.Tanh, per_channel)),
    "regex that matches nothing": lambda: prepared(
        "mlp", empty().set_module_name_regex("nowhere.*", per_channel)),
    "broken regex": lambda: prepared("mlp", empty().set_module_name_regex("(", per_channel)),
    "order that matches nothing": lambda: prepared(
        "mlp", empty().set_module_name_object_type_order("", F.linear, 7, per_channel)),
    "Linear without ReLU by type": lambda: prepared("linear_module_relu", "type_linear"),
    "Linear without ReLU by type, functional relu": lambda: prepared(
        "linear_functional_relu", "type_linear"),
    "ReLU without Linear by type": lambda: prepared(
        "linear_module_relu", default().set_object_type(nn.ReLU, None)),
    "Linear and ReLU differ by name": lambda: prepared("mlp", default().set_module_name("1", None)),
    "sigmoid with another observer": lambda: prepared("sigmoid_module", "bare_global"),
    "tanh with the observer of sigmoid": lambda: prepared("tanh_function", default(
        ).set_object_type(torch.tanh, default().object_type_qconfigs[torch.sigmoid])),
    "signed activations": lambda: prepared("mlp", "signed"),
    "float16 activations": lambda: prepared("mlp", "float16_static"),
    "weights of activations' dtype": lambda: prepared("mlp", default(tq.QConfig(
        tq.default_observer, tq.default_observer))),
    "full range on fbgemm": lambda: prepared("mlp", "full_range"),
    "weight-only qconfig": lambda: prepared("mlp", "weight_only"),
    "mapping of nothing": lambda: prepared("mlp", "none"),
    "convert of an unprepared module": lambda: quantize_fx.convert_fx(make("mlp")),
    "convert of a traced module": lambda: quantize_fx.convert_fx(fx.symbolic_trace(make("mlp"))),
    "convert without calibration": lambda: quantize_fx.convert_fx(prepared("mlp", "per_channel")),
    "convert twice": lambda: quantize_fx.convert_fx(
        quantize_fx.convert_fx(calibrated("mlp", "per_channel"))),
    "prepare twice": lambda: quantize_fx.prepare_fx(prepared("mlp", "per_channel"), default(),
                                                    (torch.ones(3, 6),)),
    "convert with a mapping of other keys": lambda: quantize_fx.convert_fx(
        calibrated("mlp", "per_channel"),
        qconfig_mapping=default().set_module_name("2", None)),
    "convert with a mapping of another qconfig": lambda: quantize_fx.convert_fx(
        calibrated("mlp", "per_channel"), qconfig_mapping=default(per_tensor)),
    "second output of one": lambda: prepared(
        "mlp", "per_channel", PrepareCustomConfig().set_output_quantized_indexes([1])),
    "second output of two": lambda: prepared(
        "two_outputs", "per_channel", PrepareCustomConfig().set_output_quantized_indexes([1])),
    "second input of one": lambda: prepared(
        "mlp", "per_channel", PrepareCustomConfig().set_input_quantized_indexes([1])),
    "quantized output of a network that ends in float": lambda: prepared(
        "exp_end", "per_channel", PrepareCustomConfig().set_output_quantized_indexes([0])),
    "standalone name that matches nothing": lambda: prepared(
        "with_block", "per_channel", PrepareCustomConfig().set_standalone_module_name(
            "nowhere", None, (torch.ones(3, 6),), None, None)),
    "non-traceable name that matches nothing": lambda: prepared(
        "with_block", "per_channel",
        PrepareCustomConfig().set_non_traceable_module_names(["nowhere"])),
    "preserved attribute that does not exist": lambda: prepared(
        "mlp", "per_channel", PrepareCustomConfig().set_preserved_attributes(["nowhere"])),
    "float input of a network with quantized input": lambda: quantize_fx.convert_fx(prepared(
        "mlp", "per_channel", PrepareCustomConfig().set_input_quantized_indexes([0])))(
            torch.ones(3, 6)),
    "fuse in training mode": lambda: quantize_fx.fuse_fx(make("mlp").train()),
}

# ---- files ---------------------------------------------------------------------------------------

HISTOGRAM = ("mlp", "residual_relu", "cat_of_branches", "sigmoid_function", "reshape_chain")
STATIC = (
    [(n, "per_channel") for n in NETWORKS
     if n not in ("inner", "middle", "with_gate", "stubs")]
    + [(n, "per_tensor") for n in ("mlp", "residual_relu", "functional_linear_relu",
                                   "shared_layer", "scalar_chain")]
    + [(n, "histogram") for n in HISTOGRAM])
MAPPED = [
    ("mlp", "full_range"), ("mlp", "signed"), ("mlp", "onednn"), ("mlp", "none"),
    ("sigmoid_function", "bare_global"), ("softmax_module", "bare_global"),
    ("reshape_chain", "bare_global"),
    ("mlp_three", "name_none"), ("mlp_three", "name_only"), ("mlp", "name_of_relu"),
    ("stubs", "names_4_and_5"), ("stubs", "names_4_and_5_histogram"),
    ("nested", "name_of_parent"), ("nested", "name_of_parent_none"),
    ("nested", "name_of_child_over_parent"), ("nested", "regex_inner"),
    ("mlp", "type_none"), ("mlp", "type_linear_and_relu"), ("linear", "type_linear"),
    ("functional_linear_relu", "type_functions"), ("functions_mlp", "type_functions"),
    ("residual", "type_add"), ("residual_relu", "type_add"), ("fan_out", "type_linear_add"),
    ("functions_mlp", "regex"), ("functions_mlp", "regex_first_wins"),
    ("functions_mlp", "neighbours"), ("functions_mlp", "neighbours_none"),
    ("functional_linear_shared", "order_second_linear"), ("fan_out", "order_first_add"),
    ("nested", "order_in_module"),
    ("cat_of_branches", "neighbours"), ("cat_of_branches", "neighbours_none"),
    ("residual", "neighbours_none"),
    ("mlp", "convert_name_none"), ("residual_relu", "convert_function_none"),
    ("mlp", "convert_all_none"),
    ("mlp", "per_channel", "input_quantized"), ("mlp", "per_channel", "output_quantized"),
    ("mlp", "per_channel", "input_and_output_quantized"),
    ("two_outputs", "per_channel", "second_output_quantized"),
    ("two_outputs", "per_channel", "output_quantized"),
    ("residual", "per_channel", "input_and_output_quantized"),
    ("with_block", "per_channel", "standalone_name"),
    ("with_block", "per_channel", "standalone_class"),
    ("with_block", "per_channel", "standalone_quantized"),
    ("with_gate", "per_channel", "non_traceable_name"),
    ("with_gate", "per_channel", "non_traceable_class"),
    ("with_gate", "per_channel", "preserved"),
]
DYNAMIC = [(n, m) for m in ("dynamic", "dynamic_per_channel", "float16_dynamic") for n in (
    "linear", "mlp", "functional_linear_relu")] + [
    ("residual", "dynamic"), ("shared_layer", "dynamic"), ("functional_linear_shared", "dynamic"),
    ("linear_torch_relu", "dynamic"), ("functional_linear", "dynamic"),
    ("cat_of_branches", "dynamic"), ("linear", "dynamic_type"),
    ("functions_mlp", "dynamic_and_static"), ("mlp", "float16_static")]
QAT = [(n, "qat") for n in ("linear", "mlp", "residual_relu", "functional_linear_relu",
                            "shared_layer", "cat_of_branches", "sigmoid_function")] + [
    ("mlp", "qat_version_0"), ("residual_relu", "qat_version_0"),
    ("functional_linear_relu", "qat_version_0"), ("mlp", "qat_dynamic"),
    ("stubs", "names_4_and_5_qat")]


def write(name, content):
    text = json.dumps({"engine": ENGINE, "torch": torch.__version__.split("+")[0]} | content,
                      separators=(",", ":"), allow_nan=False)
    (FOLDER / f"{name}.json").write_text(text + "\n")


def main():
    FOLDER.mkdir(exist_ok=True)
    files = {"static": STATIC, "mappings": MAPPED, "dynamic": DYNAMIC, "qat": QAT}
    networks, records = {}, {}
    for name in NETWORKS:
        cases = [c + ("",) * (3 - len(c)) + (kind,) for kind, listed in files.items()
                 for c in listed if c[0] == name]
        if cases:
            networks[name], results = record(name, cases)
            records |= dict(zip(cases, results))
    write("networks", {"networks": networks})
    for kind in files:
        write(kind, {"settings": SETTINGS,
                     "cases": [r for c, r in records.items() if c[-1] == kind]})
    write("remarks", {"remarks": [remark(*item) for item in REMARKS.items()]})


if __name__ == "__main__":
    main()
