"""What the compiler fuses before types are chosen, as far as it changes a type.

Source: precision-modes.md 7.
"""

from __future__ import annotations

import functools
from typing import Callable, Mapping

from lenet_exp.precision.ir.op_traits import CONVOLUTIONS, MATMULS
from lenet_exp.precision.ir.operators import GraphOperator
from lenet_exp.precision.planning.compilation import Compilation
from lenet_exp.precision.planning.fusions import activations, optimizers, products, softmax
from lenet_exp.precision.planning.fusions.pool import Pool
from lenet_exp.precision.planning.fusions.rules import by_rule
from lenet_exp.precision.target import fusion_switches
from lenet_exp.precision.target.fusion_rules import fusion_rules


def fuse(state: Compilation) -> Compilation:
    """Put fused operators in the place of their first parts, in the functions of calls too.

    A pass that a fusion switch file switches off makes nothing.
    """
    pool = Pool(state)
    for rule in (rule for name, rule in _RULES.items() if name not in state.options.off):
        for name in list(pool.operators):
            operator = pool.operators.get(name)
            if operator is not None:
                rule(pool, operator)
    position = {name: index for index, name in enumerate(state.graph.nodes)}
    made = sorted(pool.operators.values(), key=lambda each: (position[each.parts[0]], each.name))
    operators = {operator.name: operator for operator in made}
    functions = {
        call: tuple(each._replace(state=fuse(each.state)) for each in called)
        for call, called in state.functions.items()
    }
    return state._replace(operators=operators, functions=functions)


# By the vendor's name of the pass.
_RULES: Mapping[str, Callable[[Pool, GraphOperator], None]] = {
    fusion_switches.SPARSE_CROSS_ENTROPY: softmax.sparse_cross_entropy,
    fusion_switches.CONVOLUTION_BIAS: functools.partial(products.bias_taken, CONVOLUTIONS),
    fusion_switches.MATMUL_BIAS: functools.partial(products.bias_taken, MATMULS),
    fusion_switches.MATMUL_CAST: functools.partial(products.half_product_widened, MATMULS),
    fusion_switches.CONVOLUTION_CAST: functools.partial(products.half_product_widened, {"Conv2D"}),
    fusion_switches.RELU_PAIR: activations.relu_pair,
    fusion_switches.MOMENTUM_LOSS_SCALE: optimizers.unscaling_momentum,
    fusion_switches.GELU: activations.gelu,
    fusion_switches.POWER_SQUARE: products.constant_square,
    **{rule.name: functools.partial(by_rule, rule) for rule in fusion_rules()},
    fusion_switches.SCALED_SUM: products.scaled_sum,
    fusion_switches.LOG_SOFTMAX_GRADIENT: softmax.log_softmax_gradient,
}
