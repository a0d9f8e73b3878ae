"""The tables of section 10 of the reference, as they stand there.

operator | GE | list | mix | allow | force | keep. A cell is `inputs>outputs rule casts`, today;
after " / " what differs in 2021: a whole cell, or only the rule letter.
"""

TABLE_10_1 = """
| conv1/Conv2D | Conv2D+bias | W / G | hhh>h W *012 / G | hhh>h 1 *012 / R | hhh>h F *012 | fff>f X |
| conv1/Sigmoid, conv2/Sigmoid | Sigmoid | G | h>h G | f>f K *0 | h>h F | f>f K |
| conv1/MaxPool, conv2/MaxPool | MaxPool | G | h>h G | h>h R *0 | h>h F | f>f C |
| conv2/Conv2D | Conv2D+bias | W / G | hhh>h W *12 / G | hhh>h 1 *12 / R | hhh>h F *12 | fff>f X |
| flatten/Reshape | Reshape | G | hi>h G | hi>h G | hi>h F | fi>f G |
| fc1/MatMul | MatMulV2+bias | W | hhh>h W *12 | hhh>h 1 *12 / fff>f K *0 | hhh>h F *12 | fff>f K |
| fc1/Sigmoid, fc2/Sigmoid | Sigmoid | G | h>h G | f>f K *0 / f>f K | h>h F | f>f K |
| fc2/MatMul, fc3/MatMul | MatMulV2+bias | W | hhh>h W *12 | hhh>h 1 *012 / fff>f K | hhh>h F *12 | fff>f K |
| xent/Reshape, g/flatten | Reshape | G | hi>h G | hi>h G / fi>f G | hi>h F | fi>f G |
| one_hot | OneHotD | G | iff>f G | iff>f K | ihh>h F *12 | iff>f K |
| xent/Reshape_1 | Reshape | G | fi>f G | fi>f G | hi>h F | fi>f G |
| xent | SoftmaxCrossEntropy | G | hh>hh G *1 | ff>ff K *0 / ff>ff K | hh>hh F | ff>ff K |
| xent/Reshape_2, g/xent Reshape | Reshape | G | hi>h G | fi>f G | hi>h F | fi>f G |
| loss/Mean | ReduceMeanD | B | f>f B *0 | f>f K | h>h F | f>f K |
| g/xent.mul | Mul | G | hh>h G *0 | ff>f K | hh>h F *0 | ff>f K |
| g/fc3 dB, g/fc2 dB, g/fc1 dB, g/conv2 dB, g/conv1 dB | BiasAddGrad | B | f>f B *0 | f>f K | h>f F | f>f K |
| g/fc3 dW, g/fc2 dW | MatMulV2 | W | hh>h W | hh>h 1 *01 / ff>f K | hh>h F | ff>f K |
| g/fc3 dX, g/fc2 dX, g/fc1 dX | MatMulV2 | W | hh>h W *1 | hh>h 1 *01 / ff>f K | hh>h F *1 | ff>f K |
| g/fc2 dS, g/fc1 dS | SigmoidGrad | G | hh>h G | ff>f K *1 / ff>f K | hh>h F | ff>f K |
| g/fc1 dW | MatMulV2 | W | hh>h W | hh>h 1 *1 / ff>f K *0 | hh>h F | ff>f K |
| g/conv2 dP | MaxPoolGrad | G | hhh>h G | hhh>h R *0 / hhh>h R *02 | hhh>h F | fff>f C |
| g/conv2 dS, g/conv1 dS | SigmoidGrad | G | hh>h G | ff>f K *1 | hh>h F | ff>f K |
| g/conv2 dW | BackpropFilterD | W / G | hh>f W / G | hh>f 1 *1 / R | hh>f F | ff>f X |
| g/conv2 dX | BackpropInputD | W / G | hh>h W *0 / G | hh>h 1 *01 / R | hh>h F *0 | ff>f X |
| g/conv1 dP | MaxPoolGrad | G | hhh>h G | hhh>h R *0 | hhh>h F | fff>f C |
| g/conv1 dW | BackpropFilterD | W / G | hh>f W *0 / G | hh>f 1 *01 / R | hh>f F *0 | ff>f X |
| Adam: fc kernels | ApplyAdamD | B | 10f>fff B *9 | 10f>fff K *9 / 10f>fff K | 10h>hhh F *0-8 | 10f>fff K |
| Adam: conv kernels, all biases | ApplyAdamD | B | 10f>fff B | 10f>fff K | 10h>hhh F *0-9 | 10f>fff K |
| train/mul, train/mul_1 | Mul | G | ff>f G | ff>f K | hh>h F *01 | ff>f K |
| train/Assign, train/Assign_1 | Assign | G | ff>f G | ff>f K | hh>h F *0 | ff>f K |
"""  # noqa: E501

TABLE_10_2 = """
| unscale: conv kernels, all biases | Mul | G | ff>f G | ff>f K | hh>h F *01 | ff>f K |
| unscale: fc kernels | Mul | G | hh>h G *1 | ff>f K *0 / ff>f K | hh>h F *1 | ff>f K |
| Adam: conv kernels, all biases | ApplyAdamD | B | 10f>fff B | 10f>fff K | 10h>hhh F *0-8 | 10f>fff K |
| Adam: fc kernels | ApplyAdamD | B | 10f>fff B *9 | 10f>fff K | 10h>hhh F *0-8 | 10f>fff K |
"""  # noqa: E501

TABLE_10_3 = """
| g/scaled_loss.Mul | Mul | G | ff>f G | ff>f K | hh>h F *01 | ff>f K |
| g/loss/Mean, g/xent (3 Reshapes) | Reshape | G | fi>f G | fi>f G | hi>h F | fi>f G |
| g/Mean.Tile | TileD | G | f>f G | f>f K | h>h F | f>f K |
| g/Mean.truediv | RealDiv | G | ff>f G | ff>f K | hh>h F *1 | ff>f K |
| g/xent.ExpandDims | ExpandDims | . | fi>f N | fi>f N | fi>f N *0 | fi>f N |
| g/xent.mul | Mul | G | ff>f G *1 | ff>f K | hh>h F *0 | ff>f K |
| g/fc3 dX | MatMulV2 | W | hh>h W *01 | hh>h 1 *01 / ff>f K | hh>h F *1 | ff>f K |
| inv_scale | Reciprocal | G | f>f G | f>f K | h>h F *0 | f>f K |
| unscale: conv kernels, all biases | Mul | G | ff>f G | ff>f K | hh>h F *0 | ff>f K |
| g/fc3 dW | MatMulV2 | W | hh>h W *1 | hh>h 1 *01 / ff>f K | hh>h F | ff>f K |
| unscale: fc kernels | Mul | G | hh>h G *1 | ff>f K *0 / ff>f K | hh>h F | ff>f K |
| g/fc3 dB | BiasAddGrad | B | f>f B | f>f K | h>f F | f>f K |
"""

TABLE_10_4 = """
| Equal | Equal | G | ff>b G | ff>b K | hh>b F *01 | ff>b K |
| all_finite | ReduceAllD | G | b>b G | b>b K | b>b F | b>b K |
| update/Switch | Switch | G | bb>bb G | bb>bb G | bb>bb F | bb>bb G |
| switch of variables, slots (32) | RefSwitch | G | fb>ff G | fb>ff G | hb>hh F *0 | fb>ff G |
| switch of beta powers | Switch | G | fb>ff G | fb>ff G | hb>hh F *0 | fb>ff G |
| switch of gradients: fc kernels | Switch | G | hb>hh G | fb>ff G | hb>hh F | fb>ff G |
| Adam: fc kernels | ApplyAdamD | B | 10f>fff B *9 | 10f>fff K | 10h>hhh F *5678 | 10f>fff K |
| switch of gradients: conv kernels, biases | Switch | G | fb>ff G | fb>ff G | hb>hh F | fb>ff G |
| Adam: conv kernels, all biases | ApplyAdamD | B | 10f>fff B | 10f>fff K | 10h>hhh F *5678 | 10f>fff K |
| mul, mul_1 | Mul | G | ff>f G | ff>f K | hh>h F *1 | ff>f K |
| Assign, Assign_1 | Assign | G | ff>f G | ff>f K | hh>h F | ff>f K |
| update/Merge | Merge | G | bb>bi G | bb>bi G | bb>bi F | bb>bi G |
"""  # noqa: E501

# data edges that get a Cast, constants included: (mix, allow today, allow 2021, force, keep)
CASTS = {
    "10.1": (27, 45, 21, 122, 0),
    "10.2": (30, 45, 21, 132, 0),
    "10.3": (31, 45, 21, 127, 0),
    "10.4": (31, 45, 21, 109, 0),
}

CONV, FC = ("conv1", "conv2"), ("fc1", "fc2", "fc3")
_VARIABLES = [f"{layer}/{part}" for layer in (*CONV, *FC) for part in ("kernel", "bias")]
FC_KERNELS = [f"{layer}/kernel" for layer in FC]
OTHERS = [name for name in _VARIABLES if name not in FC_KERNELS]

# The tables' names of gradients, as tf.gradients names them.
_GRADIENT = {
    "dW": {"conv": "Conv2D_grad/Conv2DBackpropFilter", "fc": "MatMul_grad/MatMul_1"},
    "dX": {"conv": "Conv2D_grad/Conv2DBackpropInput", "fc": "MatMul_grad/MatMul"},
    "dB": {"conv": "BiasAdd_grad/BiasAddGrad", "fc": "BiasAdd_grad/BiasAddGrad"},
    "dS": {"conv": "Sigmoid_grad/SigmoidGrad", "fc": "Sigmoid_grad/SigmoidGrad"},
    "dP": {"conv": "MaxPool_grad/MaxPoolGrad"},
}
_NAMED = {
    "g/flatten": ["gradients/flatten/Reshape_grad/Reshape"],
    "g/xent Reshape": ["gradients/xent/Reshape_grad/Reshape"],
    "g/xent.mul": ["gradients/xent_grad/mul"],
    "g/scaled_loss.Mul": ["gradients/scaled_loss_grad/Mul"],
    "g/Mean.Tile": ["gradients/loss/Mean_grad/Tile"],
    "g/Mean.truediv": ["gradients/loss/Mean_grad/truediv"],
    "g/xent.ExpandDims": ["gradients/xent_grad/ExpandDims"],
    "g/loss/Mean, g/xent (3 Reshapes)": [
        "gradients/loss/Mean_grad/Reshape",
        "gradients/xent/Reshape_2_grad/Reshape",
        "gradients/xent/Reshape_grad/Reshape",
    ],
    "unscale: conv kernels, all biases": [f"unscale/{name}" for name in OTHERS],
    "unscale: fc kernels": [f"unscale/{name}" for name in FC_KERNELS],
}


def _adam(names, slots=("",)):
    return [f"{{adam}}/update_{name}/ApplyAdam{slot}" for name in names for slot in slots]


_UPDATE = {
    "Adam: fc kernels": _adam(FC_KERNELS),
    "Adam: conv kernels, all biases": _adam(OTHERS),
    "train/mul": ["{adam}/mul"],
    "train/mul_1": ["{adam}/mul_1"],
    "train/Assign": ["{adam}/Assign"],
    "train/Assign_1": ["{adam}/Assign_1"],
    # The first update's Switches of the beta powers serve all; its gradient's comes after them.
    "switch of variables, slots (32)": [
        *_adam(_VARIABLES, ("/Switch", "/Switch_1", "/Switch_2")),
        "{adam}/Assign/Switch",
        "{adam}/Assign_1/Switch",
    ],
    "switch of beta powers": _adam(_VARIABLES[:1], ("/Switch_3", "/Switch_4")),
    "switch of gradients: fc kernels": _adam(FC_KERNELS, ("/Switch_3",)),
    "switch of gradients: conv kernels, biases": [
        *_adam(OTHERS[:1], ("/Switch_5",)),
        *_adam(OTHERS[1:], ("/Switch_3",)),
    ],
}
_UPDATE.update({name: _UPDATE[f"train/{name}"] for name in ("mul", "mul_1", "Assign", "Assign_1")})


def nodes_of(text, adam):
    """Return the nodes of one row's name; `adam` is the scope of the optimizer's update."""
    if text in _UPDATE:
        return [name.format(adam=adam) for name in _UPDATE[text]]
    if text in _NAMED:
        return _NAMED[text]
    return [node for name in text.split(", ") for node in _one(name, adam)]


def _one(name, adam):
    if name in _UPDATE or name in _NAMED:
        return nodes_of(name, adam)
    if name.startswith("g/"):
        layer, kind = name[2:].split()
        return [f"gradients/{layer}/{_GRADIENT[kind][layer[:-1]]}"]
    return [name]
