"""fusion_switch_file: the vendor's JSON that switches passes of the compiler off.

    {"Switch": {"GraphFusion": {"ALL": "off", "MatmulCastFusionPass": "on"}, "UBFusion": {}}}

Of a pass its own switch counts before ALL; some passes are never off. Lines PASS:off, the file's
older form, are taken where it is no JSON. UBFusion joins kernels and changes no type.
Source: `FusionConfigParser` and `ForbiddenClosedPass` of the fusion engine, alike in 2021 and
today; the passes are those of precision-modes.md 7 and the rules of `fusion_rules.py`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, FrozenSet, Mapping, NamedTuple, Optional, Tuple, Union

from lenet_exp.errors import PrecisionError
from lenet_exp.precision.target.fusion_rules import fusion_rules
from lenet_exp.precision.target.vendor_files import parsed_json, text_given

SwitchesInput = Union[str, Path, Mapping[str, Any]]
Sections = Mapping[str, Mapping[str, Mapping[str, Any]]]

# The passes that a plan makes; those that can be off are `_MADE`.
MATMUL_BIAS = "MatMulBiasAddFusionPass"
CONVOLUTION_BIAS = "AABiasaddConvFusion"
MATMUL_CAST = "MatmulCastFusionPass"
CONVOLUTION_CAST = "ConvCastFusionPass"
RELU_PAIR = "DreluFusionPass"
MOMENTUM_LOSS_SCALE = "A_MomentumLossscaleFusionPass"
SPARSE_CROSS_ENTROPY = "SparseSoftMaxFusionPass"
GELU = "GeluFusionPass"
POWER_SQUARE = "Pow2SquareFusionPass"
SCALED_SUM = "MulAddNPass"
LOG_SOFTMAX_GRADIENT = "LogSoftmaxGradFusionPass"

# The compiler takes no notice of their switches: `ForbiddenClosedPass`, but for joined kernels.
_FORBIDDEN = """AABiasaddConvFusion ADeformableConv2dPass ADepthwiseFusionPass ALSTMFusionPass
    AReduceMeanFusionPass AReduceSumFusionPass AddNFusionPass ApplyAddOutputPass
    ArgMaxWithFusionPass AvgPool3DFusionPass AvgPool3DGradFusionPass AvgPoolGradFusionPass
    AvgPoolQuantProcessFusionPass BatchMatmulV2QuantProcessFusionPass BatchNormBnInferFusionPass
    BatchNormGradBnInferGradFusion BatchNormGradInfGradFusion COPYPass CommonLSTMFusionPass
    ConstToAttrGatherV2Fusion ConstToAttrPass ConstToAttrReduceSumFusion
    ConstToAttrResizeNearestNeighborGradFusion Conv2DQuantProcessFusionPass
    Conv2DTDQuantProcessFusionPass DWConv2DQuantProcessFusionPass DeConvQuantProcessFusionPass
    DeformableOffsetsFusionPass DepthwiseDfFusionPass DepthwiseDwMulFusionPass DepthwiseFusionPass
    DepthwiseInsertTransDataFusionPass DepthwiseToConv2dFusionPass DreluFusionPass
    DynamicGRUV2GradFusionPass DynamicRNNFusionPass DynamicRNNGradAFusionPass
    DynamicRNNGradAlignFusionPass DynamicRNNGradDAlignFusionPass DynamicRNNGradDFusionPass
    DynamicRNNGradFusionPass DynamicRNNInsertTransposePass DynamicRNNSeqFusionPass EinsumPass
    FCQuantProcessFusionPass FusedBatchNormBertFusionPass FusedBatchNormGradFusionPass
    FusedBatchnormFusionPass Globalavgpoolpass GroupConv2DQuantProcessFusionPass HostBNFusionPass
    MapIndexFusionPass MatmulV2QuantProcessFusionPass MaxPoolWithArgmaxFusionPass
    NormalizeFusionPass PReluGradFusionPass PackFusionPass PassThroughFusionPass
    PassThroughSecondFusionPass PermuteFusionPass PoolingQuantProcessFusionPass PriorBoxPass
    ProposalFusionPass RNNFusionPass SPPPass SingleBatchNormFusion SoftmaxGradExtFusion
    SpatialTransformerDPass TfMergeConv2DBackpropInputFusionPass TfMergeSubFusionPass
    TfTagNoConstFoldingFusionPass TransdataCastFusionPass TransposedUpdateFusionPass
    UnpackFusionPass V100NotRequantFusionPass V200NotRequantFusionPass
    YoloPass YoloV2DetectionOutputPass YoloV3DetectionOutputV2Pass ZConcatDFusionPass
    ZConfusionSoftmaxGradFusionPass ZSplitVDFusionPass ZSplitVFusionPass
    clip_by_norm_nodivsquaresum"""
_NEVER_OFF = frozenset(_FORBIDDEN.split())
_RULES = tuple(rule.name for rule in fusion_rules() if rule.name not in _NEVER_OFF)
_PASSES = (
    *(MATMUL_BIAS, MATMUL_CAST, CONVOLUTION_CAST, MOMENTUM_LOSS_SCALE, SPARSE_CROSS_ENTROPY),
    *(GELU, POWER_SQUARE, SCALED_SUM, LOG_SOFTMAX_GRADIENT),
)
_MADE = (*_PASSES, *_RULES)
_ALL, _GRAPH = "ALL", "GraphFusion"
_KINDS = (_GRAPH, "UBFusion")
_ON_OFF = ("on", "off")
_SWITCH, _PRIORITY, _EXCEPTIONS = "Switch", "Priority", "ExceptionalPassOfO1Level"
_EXAMPLE = '{"Switch": {"GraphFusion": {"MatMulBiasAddFusionPass": "off"}}}'


class Switched(NamedTuple):
    """The passes of a plan that are off, and what of the file a plan does not follow."""

    passes: FrozenSet[str]
    warnings: Tuple[str, ...]


NOTHING_OFF = Switched(frozenset(), ())


def read_switches(source: SwitchesInput) -> Switched:
    """Return what a fusion switch file switches off.

    Args:
        source: a path, the file's text (it begins with "{"), or the parsed object.

    Raises:
        PrecisionError: as the graph engine refuses to start: unreadable, empty, neither JSON nor
            lines PASS:on or PASS:off, other keys, no object where one must be, or another value.
    """
    content = _content(source)
    switches = content[_SWITCH][_GRAPH]
    off = {name for name in (*_MADE, *switches) if not switches.get(name, switches.get(_ALL, True))}
    named = [name for name in switches if name in off]
    warnings = [
        f"the compiler never switches {name} off, so its switch changes nothing"
        for name in named
        if name in _NEVER_OFF
    ]
    unknown = [name for name in named if name not in (*_MADE, *_NEVER_OFF, _ALL)]
    if unknown:
        warnings.append(f"no plan knows {', '.join(unknown)}: it is the same with and without")
    if _ALL in off:
        warnings.append(
            f"of ALL passes that are off a plan knows {', '.join(_PASSES)} and the rules"
        )
    if any(content[_PRIORITY].values()):
        warnings.append(f'no plan follows the order that "{_PRIORITY}" gives passes')
    return Switched(
        frozenset(off).intersection(_MADE),
        tuple(f"fusion_switch_file: {each}" for each in warnings),
    )


def _content(source: SwitchesInput) -> Sections:
    """Return section -> kind of fusion -> what the file says, all of them there."""
    if isinstance(source, Mapping):
        return _of_object(source)
    where, text = text_given("fusion_switch_file", source, _EXAMPLE)
    try:
        content = parsed_json(text)
    except ValueError as error:
        switches = _of_lines(text)
        if switches is None:
            problem = f"it is no JSON ({error}), and has other lines than PASS:on and PASS:off"
            raise PrecisionError(where, problem, _EXAMPLE) from error
        return _of_object({_SWITCH: {_GRAPH: switches}})
    return _of_object(content)


def _of_lines(text: str) -> Optional[Dict[str, str]]:
    """Return the switches of a file of the older form; None if it is none."""
    pairs = [line.partition(":") for line in text.splitlines() if line.strip()]
    found = {name.strip(): value.strip() for name, _, value in pairs}
    once = len(found) == len(pairs)
    return found if once and all(value in _ON_OFF for value in found.values()) else None


def _of_object(content: Any) -> Sections:
    found: Dict[str, Dict[str, Dict[str, Any]]] = {
        section: {kind: {} for kind in _KINDS} for section in (_SWITCH, _PRIORITY)
    }
    for section, kinds in _object(content, "the file", (*found, _EXCEPTIONS)).items():
        if section == _EXCEPTIONS:
            continue
        for kind, entries in _object(kinds, f'"{section}"', _KINDS).items():
            found[section][kind].update(_object(entries, f'"{section}" "{kind}"'))
    for kind, switches in found[_SWITCH].items():
        for name, value in switches.items():
            if value not in _ON_OFF:
                problem = f"{json.dumps(value)} is no switch"
                where = f'fusion_switch_file "{kind}" "{name}"'
                raise PrecisionError(where, problem, '"on" or "off"')
            switches[name] = value == "on"
    return found


def _object(value: Any, where: str, keys: Tuple[str, ...] = ()) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise PrecisionError(f"fusion_switch_file {where}", "it is no JSON object", _EXAMPLE)
    for key in value if keys else ():
        if key not in keys:
            allowed = "only the keys " + ", ".join(f'"{key}"' for key in keys)
            problem = f'it has the key "{key}"'
            raise PrecisionError(f"fusion_switch_file {where}", problem, allowed)
    return value
