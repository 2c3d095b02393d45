"""The networks, qconfig mappings and custom configs of fx_quantization.py, by the names under which
the tests define them too."""

import operator

import torch
import torch.nn.functional as F
from torch import nn
from torch.ao import quantization as tq
from torch.ao.quantization.fx.custom_config import PrepareCustomConfig

ENGINE = "fbgemm"
NETWORKS = {}  # name: (function that makes it, shapes of its arguments)


def network(*inputs, **parts):
    """Adds the network whose forward is decorated. A part is a layer (k, n), a parameter [n, k] or
    a function that makes a module; the first six are usually called a, b, c, ..."""
    def add(forward):
        def __init__(self):
            nn.Module.__init__(self)
            for name, part in parts.items():
                setattr(self, name, nn.Linear(*part) if isinstance(part, tuple)
                        else nn.Parameter(torch.zeros(part)) if isinstance(part, list)
                        else part())
        net = type(forward.__name__, (nn.Module,), {"__init__": __init__, "forward": forward})
        NETWORKS[forward.__name__] = (net, inputs or ((3, 6),))
        return net
    return add


def sequential(name, make, *inputs):
    NETWORKS[name] = (lambda: nn.Sequential(*make()), inputs or ((3, 6),))


# One layer, with all spellings of relu.


@network(a=(6, 4))
def linear(self, x):
    return self.a(x)


@network((2, 3, 6), a=(6, 4))
def linear_three_dimensions(self, x):
    return self.a(x)


NETWORKS["root_linear"] = (lambda: nn.Linear(6, 4), ((3, 6),))


@network(a=(6, 4), relu=nn.ReLU)
def linear_module_relu(self, x):
    return self.relu(self.a(x))


@network(a=(6, 4))
def linear_functional_relu(self, x):
    return F.relu(self.a(x))


@network(a=(6, 4))
def linear_torch_relu(self, x):
    return torch.relu(self.a(x))


@network(a=(6, 4))
def linear_method_relu(self, x):
    return self.a(x).relu()


@network()
def relu_alone(self, x):
    return F.relu(x)


@network(a=(6, 4))
def relu_first(self, x):
    return self.a(F.relu(x))


@network(a=(6, 4))
def relu_twice(self, x):
    return F.relu(F.relu(self.a(x)))


@network(a=(6, 4))
def relu_and_before(self, x):
    h = self.a(x)
    return F.relu(h) + h


@network(a=(6, 4), b=(4, 4))
def relu_and_layer(self, x):
    h = self.a(x)
    return F.relu(h), self.b(h)


# Sequences.

sequential("mlp", lambda: (nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4)))
sequential("mlp_three", lambda: (nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 5), nn.ReLU(),
                                 nn.Linear(5, 4)))
sequential("sequential_in_sequential", lambda: (
    nn.Sequential(nn.Linear(6, 5), nn.ReLU()), nn.Sequential(nn.Linear(5, 4), nn.ReLU())))
sequential("flatten_module", lambda: (
    nn.Flatten(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4)), (3, 2, 3))
# For eager mode with stubs; only 4 and 5 get a qconfig.
sequential("stubs", lambda: (
    nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 6), nn.ReLU(), tq.QuantStub(), nn.Linear(6, 6),
    nn.ReLU(), tq.DeQuantStub()), (1, 3, 6))


@network(a=(6, 5), b=(5, 5), c=(5, 4))
def functions_mlp(self, x):
    return self.c(F.relu(self.b(F.relu(self.a(x)))))


@network(a=(6, 6))
def inner(self, x):
    return F.relu(self.a(x))


@network(inner=inner, b=(6, 6))
def middle(self, x):
    return self.b(self.inner(x)) + x


@network(first=middle, second=middle, c=(6, 4))
def nested(self, x):
    return self.c(self.second(self.first(x)))


@network(a=(6, 5), skip=nn.Identity, b=(5, 4))
def identity(self, x):
    return self.b(self.skip(self.a(x)))


@network(a=(6, 5), dropout=nn.Dropout, b=(5, 4))
def dropout_module(self, x):
    return self.b(self.dropout(F.relu(self.a(x))))


@network(a=(6, 5), b=(5, 4))
def dropout_function(self, x):
    return self.b(F.dropout(self.a(x), 0.5, self.training))


@network(a=(6, 5), b=(6, 4))
def unused_module(self, x):
    return self.b(x)


@network(a=(6, 5), b=(6, 4))
def unused_result(self, x):
    self.a(x)
    return self.b(x)


# add, mul, sub.


@network(a=(6, 5), b=(5, 6))
def residual(self, x):
    return x + self.b(F.relu(self.a(x)))


@network(a=(6, 5), b=(5, 6))
def residual_relu(self, x):
    return F.relu(x + self.b(F.relu(self.a(x))))


@network(a=(6, 6), relu=nn.ReLU)
def residual_module_relu(self, x):
    return self.relu(self.a(x) + x)


@network(blocks=lambda: nn.Sequential(residual_relu(), residual_relu(), residual_relu()))
def residual_blocks(self, x):
    return self.blocks(x)


@network((3, 6), (3, 6), a=(6, 4), b=(6, 4))
def add_of_linears_relu(self, x, y):
    return F.relu(self.a(x) + self.b(y))


@network((3, 6), (3, 6), a=(6, 4), b=(6, 4))
def add_of_linears_torch_relu(self, x, y):
    return torch.relu(torch.add(self.a(x), self.b(y)))


@network((3, 6), (3, 6), a=(6, 4), b=(6, 4))
def add_of_linears_method_relu(self, x, y):
    return (self.a(x) + self.b(y)).relu()


@network((3, 6), (3, 6))
def add_of_inputs(self, x, y):
    return x + y


@network(a=(6, 4))
def add_to_itself(self, x):
    h = self.a(x)
    return h + h


@network(a=(6, 4), b=(6, 4))
def add_relu_and_before(self, x):
    s = self.a(x) + self.b(x)
    return F.relu(s) * s


@network(a=(6, 4), b=(6, 4))
def mul_of_linears(self, x):
    return self.a(x) * self.b(x)


@network(a=(6, 4), b=(6, 4))
def mul_of_linears_relu(self, x):
    return F.relu(self.a(x) * self.b(x))


@network(a=(6, 4), b=(6, 4), c=(4, 4))
def sub_of_linears(self, x):
    return self.c(self.a(x) - self.b(x))


@network(a=(6, 5), b=(5, 4))
def mul_scalar(self, x):
    return self.b(self.a(x) * 0.37)


@network(a=(6, 5), b=(5, 4))
def add_scalar(self, x):
    return self.b(self.a(x) + 1)


@network(a=(6, 5), b=(5, 4))
def scalar_first(self, x):
    return self.b(2 * self.a(x))


@network(a=(6, 4))
def scalar_chain(self, x):
    return self.a(x) * 2 + 1


@network(a=(6, 4))
def add_scalar_relu(self, x):
    return F.relu(self.a(x) + 0.25)


@network(a=(6, 4))
def mul_scalar_relu(self, x):
    return F.relu(self.a(x) * -2.0)


@network(a=(6, 4), p=[4])
def add_parameter(self, x):
    return self.a(x) + self.p


# Shared layers and weights, functions of parameters.


@network(a=(6, 6))
def shared_layer(self, x):
    return self.a(self.a(x))


@network(a=(6, 6))
def shared_layer_relu(self, x):
    return F.relu(self.a(F.relu(self.a(x))))


@network(a=(6, 6))
def shared_layer_one_relu(self, x):
    return self.a(F.relu(self.a(x)))


@network(a=(6, 6), b=(6, 6))
def shared_weight(self, x):  # b.weight is a.weight
    return self.b(F.relu(self.a(x)))


def tied():
    net = shared_weight()
    net.b.weight = net.a.weight
    return net


NETWORKS["shared_weight"] = (tied, ((3, 6),))


@network(w=[4, 6], p=[4])
def functional_linear(self, x):
    return F.linear(x, self.w, self.p)


@network(w=[4, 6])
def functional_linear_no_bias(self, x):
    return F.linear(x, self.w)


@network(w=[4, 6], p=[4])
def functional_linear_relu(self, x):
    return F.relu(F.linear(x, self.w, self.p))


@network(w=[6, 6])
def functional_linear_shared(self, x):
    return F.linear(F.linear(x, self.w), self.w)


# Several consumers, inputs, outputs.


@network(a=(6, 4), b=(6, 4), c=(6, 4))
def fan_out(self, x):
    return self.a(x) + self.b(x) + self.c(x)


@network((3, 6), (3, 5), a=(6, 4), b=(5, 4))
def two_inputs(self, x, y):
    return self.a(x) * self.b(y)


@network(a=(6, 4), b=(6, 4))
def two_outputs(self, x):
    return self.a(x), F.relu(self.b(x))


@network(a=(6, 4))
def output_twice(self, x):
    h = self.a(x)
    return h, h


@network(a=(6, 5), b=(5, 4))
def output_and_on(self, x):
    h = F.relu(self.a(x))
    return h, self.b(h)


@network(a=(6, 4))
def output_is_input(self, x):
    return x, self.a(x)


# cat, chunk, split, shapes.


@network(a=(6, 4), b=(6, 3), c=(7, 4))
def cat_of_branches(self, x):
    return self.c(torch.cat([F.relu(self.a(x)), self.b(x)], 1))


@network(a=(6, 2), b=(6, 3), c=(6, 4))
def cat_of_three(self, x):
    return torch.cat([self.a(x), self.b(x), self.c(x)], 1)


@network(a=(6, 4))
def cat_with_itself(self, x):
    h = self.a(x)
    return torch.cat([h, h], 1)


@network(a=(6, 4), b=(10, 4))
def cat_with_input(self, x):
    return self.b(torch.cat([x, self.a(x)], 1))


@network(a=(6, 4), b=(6, 4))
def cat_relu(self, x):
    return F.relu(torch.cat([self.a(x), self.b(x)], 1))


@network(a=(6, 4), b=(6, 4))
def cat_of_operand(self, x):
    h, g = self.a(x), self.b(x)
    return torch.cat([h, h + g], 1)


@network(a=(6, 4), b=(6, 4), c=(6, 4))
def cat_of_cat(self, x):
    h = torch.cat([self.a(x), self.b(x)], 1)
    return torch.cat([h, self.c(x)], 1)


@network(a=(6, 6), b=(3, 3))
def chunk(self, x):
    c = torch.chunk(self.a(x), 2, 1)
    return self.b(c[0]) + c[1]


@network(a=(6, 6), b=(4, 4))
def split(self, x):
    s = torch.split(self.a(x), [4, 2], 1)
    return self.b(s[0])


@network((3, 2, 6), a=(6, 5), b=(10, 4))
def reshape_chain(self, x):
    h = F.relu(self.a(x))
    return self.b(h.transpose(1, 2).reshape(x.size(0), 10))


@network((3, 2, 6), a=(6, 5), b=(10, 4))
def view_size(self, x):
    h = self.a(x)
    return self.b(h.view(h.size(0), -1))


@network(a=(6, 5), b=(3, 3))
def permute_squeeze(self, x):
    h = torch.unsqueeze(self.a(x), 0).permute(0, 2, 1)
    return self.b(torch.squeeze(h, 0))


@network((3, 2, 3), a=(6, 5))
def flatten_function(self, x):
    return self.a(torch.flatten(x, 1))


@network((3, 2, 6), a=(6, 5))
def flatten_end(self, x):
    return torch.flatten(self.a(x), 1)


# Ops with fixed qparams, ops that have no int8 form.


@network(a=(6, 5), sigmoid=nn.Sigmoid, b=(5, 4))
def sigmoid_module(self, x):
    return self.b(self.sigmoid(self.a(x)))


@network(a=(6, 5), b=(5, 4))
def sigmoid_function(self, x):
    return self.b(torch.sigmoid(self.a(x)))


@network(a=(6, 5), b=(5, 4))
def sigmoid_method(self, x):
    return self.b(self.a(x).sigmoid())


@network(a=(6, 4), tanh=nn.Tanh)
def tanh_module(self, x):
    return self.tanh(self.a(x))


@network(a=(6, 4))
def tanh_function(self, x):
    return torch.tanh(self.a(x))


@network(a=(6, 4), softmax=lambda: nn.Softmax(1))
def softmax_module(self, x):
    return self.softmax(self.a(x))


@network(a=(6, 4))
def softmax_function(self, x):
    return F.softmax(self.a(x), 1)


@network(a=(6, 5), b=(5, 4))
def exp_middle(self, x):
    return self.b(torch.exp(self.a(x)))


@network(a=(6, 4))
def exp_end(self, x):
    return torch.exp(self.a(x))


@network(a=(6, 5), b=(5, 4))
def relu_of_exp(self, x):
    return self.b(F.relu(torch.exp(self.a(x))))


@network(a=(6, 5), b=(5, 4))
def flatten_of_exp(self, x):
    return self.b(torch.flatten(torch.exp(self.a(x)), 1))


@network(a=(6, 4), b=(6, 4))
def cat_with_exp(self, x):
    return torch.cat([self.a(x), torch.exp(self.b(x))], 1)


# For custom configs.


class Gate(nn.Module):
    """Its forward branches on a tensor, so nothing can trace it."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(6, 6)

    def forward(self, x):
        return self.inner(x) if x.sum() > 0 else x


@network(a=(6, 6), gate=Gate, note=lambda: "kept", b=(6, 4))
def with_gate(self, x):
    return self.b(self.gate(self.a(x)))


@network(a=(6, 6), block=inner, b=(6, 4))
def with_block(self, x):
    return self.b(self.block(self.a(x)))


# ---- qconfigs ------------------------------------------------------------------------------------

per_tensor = tq.default_qconfig  # MinMax, activations 0..127
per_channel = tq.default_per_channel_qconfig
full_range = tq.QConfig(tq.MinMaxObserver.with_args(dtype=torch.quint8), tq.default_weight_observer)
reduced = tq.QConfig(tq.MinMaxObserver.with_args(dtype=torch.quint8, reduce_range=True),
                     tq.default_weight_observer)
signed = tq.QConfig(tq.MinMaxObserver.with_args(dtype=torch.qint8), tq.default_weight_observer)


def empty():
    return tq.QConfigMapping()


def default(qconfig=per_channel):
    return tq.get_default_qconfig_mapping(ENGINE).set_global(qconfig)


MAPPINGS = {
    "per_channel": default,
    "per_tensor": lambda: default(per_tensor),
    "full_range": lambda: default(full_range),
    "signed": lambda: default(signed),
    "histogram": lambda: tq.get_default_qconfig_mapping(ENGINE),
    "onednn": lambda: tq.get_default_qconfig_mapping("onednn"),
    "bare_global": lambda: empty().set_global(per_channel),
    "none": empty,
    "name_none": lambda: default().set_module_name("2", None),
    "name_only": lambda: empty().set_module_name("2", per_channel),
    "names_4_and_5": lambda: (empty().set_module_name("4", per_channel)
                              .set_module_name("5", per_channel)),
    "names_4_and_5_histogram": lambda: (
        empty().set_module_name("4", tq.get_default_qconfig(ENGINE))
        .set_module_name("5", tq.get_default_qconfig(ENGINE))),
    "names_4_and_5_qat": lambda: (
        empty().set_module_name("4", tq.get_default_qat_qconfig(ENGINE))
        .set_module_name("5", tq.get_default_qat_qconfig(ENGINE))),
    "name_of_parent": lambda: empty().set_module_name("first", per_channel),
    "name_of_parent_none": lambda: default().set_module_name("first", None),
    "name_of_child_over_parent": lambda: (default().set_module_name("first", None)
                                          .set_module_name("first.inner.a", per_tensor)),
    "name_of_relu": lambda: empty().set_module_name("1", per_channel),
    "type_none": lambda: default().set_object_type(nn.Linear, None).set_object_type(nn.ReLU, None),
    "type_linear": lambda: empty().set_object_type(nn.Linear, per_channel),
    "type_linear_and_relu": lambda: (empty().set_object_type(nn.Linear, per_channel)
                                     .set_object_type(nn.ReLU, per_channel)),
    "type_functions": lambda: (empty().set_object_type(F.linear, per_channel)
                               .set_object_type(F.relu, per_channel)),
    "type_add": lambda: empty().set_object_type(operator.add, per_channel),
    "type_linear_add": lambda: (empty().set_object_type(nn.Linear, per_channel)
                                .set_object_type(operator.add, per_channel)),
    "regex": lambda: empty().set_module_name_regex("(a|b)", per_channel),
    "regex_inner": lambda: (default().set_module_name_regex(r".*\.inner\..*", None)),
    "regex_first_wins": lambda: (empty().set_module_name_regex("[ab]", per_tensor)
                                 .set_module_name_regex("[abc]", full_range)),
    "neighbours": lambda: (default(reduced).set_module_name("a", full_range)
                           .set_module_name("c", per_channel)),
    "neighbours_none": lambda: default().set_module_name("b", None),
    "order_second_linear": lambda: (
        default().set_module_name_object_type_order("", F.linear, 1, None)),
    "order_first_add": lambda: (
        default().set_module_name_object_type_order("", operator.add, 0, None)),
    "order_in_module": lambda: (
        default().set_module_name_object_type_order("first", nn.Linear, 0, None)),
    "dynamic": lambda: empty().set_global(tq.default_dynamic_qconfig),
    "dynamic_per_channel": lambda: empty().set_global(tq.per_channel_dynamic_qconfig),
    "dynamic_type": lambda: empty().set_object_type(nn.Linear, tq.default_dynamic_qconfig),
    "dynamic_and_static": lambda: default().set_module_name("a", tq.default_dynamic_qconfig),
    "float16_dynamic": lambda: empty().set_global(tq.float16_dynamic_qconfig),
    "float16_static": lambda: empty().set_global(tq.float16_static_qconfig),
    "weight_only": lambda: empty().set_global(tq.default_weight_only_qconfig),
    "qat": lambda: tq.get_default_qat_qconfig_mapping(ENGINE),
    "qat_version_0": lambda: tq.get_default_qat_qconfig_mapping(ENGINE, 0),
    "qat_dynamic": lambda: empty().set_global(tq.default_dynamic_qat_qconfig),
}
CUSTOM = {
    "": PrepareCustomConfig,
    "input_quantized": lambda: PrepareCustomConfig().set_input_quantized_indexes([0]),
    "output_quantized": lambda: PrepareCustomConfig().set_output_quantized_indexes([0]),
    "input_and_output_quantized": lambda: (PrepareCustomConfig().set_input_quantized_indexes([0])
                                           .set_output_quantized_indexes([0])),
    "second_output_quantized": lambda: PrepareCustomConfig().set_output_quantized_indexes([1]),
    "standalone_name": lambda: PrepareCustomConfig().set_standalone_module_name(
        "block", default(), (torch.zeros(3, 6),), PrepareCustomConfig(), None),
    "standalone_class": lambda: PrepareCustomConfig().set_standalone_module_class(
        inner, default(), (torch.zeros(3, 6),), PrepareCustomConfig(), None),
    "standalone_quantized": lambda: PrepareCustomConfig().set_standalone_module_name(
        "block", default(), (torch.zeros(3, 6),), PrepareCustomConfig()
        .set_input_quantized_indexes([0]).set_output_quantized_indexes([0]), None),
    "non_traceable_name": lambda: PrepareCustomConfig().set_non_traceable_module_names(["gate"]),
    "non_traceable_class": lambda: PrepareCustomConfig().set_non_traceable_module_classes([Gate]),
    "preserved": lambda: (PrepareCustomConfig().set_non_traceable_module_names(["gate"])
                          .set_preserved_attributes(["note"])),
}
CONVERT_MAPPINGS = {  # name: (mapping of prepare_fx, of convert_fx); PyTorch wants equal keys
    "convert_name_none": (lambda: default().set_module_name("2", per_channel),
                          lambda: default().set_module_name("2", None)),
    "convert_function_none": (lambda: default().set_object_type(operator.add, per_channel),
                              lambda: default().set_object_type(operator.add, None)),
    "convert_all_none": (default, lambda: default(None)),
}
