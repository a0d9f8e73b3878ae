"""What configurations are called: only what tells them apart, in words that a person typed."""

from __future__ import annotations

import pytest

from lenet_exp.comparison.configurations import configurations, reference_of
from lenet_exp.config.schema.run import CHIP_FILES, PLAN_FILES
from tests.comparison.test_configurations import run

pytestmark = pytest.mark.stackless

MIX, F16 = "precision=allow_mix_precision", "precision=force_fp16"
LIST, TYPES = "precision.modify_mixlist", "precision.customize_dtypes"


def changed(made, **params):
    """Return a run with other parameters, as a store has them; "" for one that it has not."""
    left = {key: value for key, value in {**made.params, **params}.items() if value}
    return made._replace(params=left)


def with_file(*words, key=LIST, path="/lists/soft.json", content="1", started=0):
    """Return a run with a file: its tag has what is in it, by twelve digits of its SHA-256."""
    return changed(run(*words, started=started, **{key: content * 12}), **{key: path})


CASES = {
    "a list in one mode of three": (
        [run(F16), run("precision=must_keep_origin_dtype"), with_file(MIX)],
        ["force_fp16", "must_keep_origin_dtype",
         "allow_mix_precision precision.modify_mixlist=soft.json"],
    ),
    "the list alone": (
        [run(MIX), with_file(MIX), run(F16)],
        ["allow_mix_precision no mixlist",
         "allow_mix_precision precision.modify_mixlist=soft.json", "force_fp16"],
    ),
    "nothing but the list": (
        [run(MIX), with_file(MIX)], ["no mixlist", "precision.modify_mixlist=soft.json"],
    ),
    "two lists": (
        [with_file(MIX), with_file(MIX, path="other/hard.json", content="2")],
        ["precision.modify_mixlist=soft.json", "precision.modify_mixlist=hard.json"],
    ),
    "two lists of one name": (
        [with_file(MIX), with_file(MIX, path="other/soft.json", content="2"),
         with_file(MIX, path="hard.json", content="3")],
        ["precision.modify_mixlist=soft.json@11111111",
         "precision.modify_mixlist=soft.json@22222222", "precision.modify_mixlist=hard.json"],
    ),
    "one list at two places": (
        [with_file(MIX, "seed=0"), with_file(MIX, "seed=1", path="copy.json", started=1)],
        ["allow_mix_precision"],
    ),
    "two kinds of files": (
        [run(F16), with_file(F16, key=TYPES, path="types.cfg"), with_file(MIX)],
        ["force_fp16 no customize_dtypes", "force_fp16 precision.customize_dtypes=types.cfg",
         "allow_mix_precision precision.modify_mixlist=soft.json"],
    ),
    "kept nodes": (
        [run(F16), run(F16, "precision.keep_dtype=[fc_3,fc_2]"), run(MIX)],
        ["force_fp16 no keep_dtype", "force_fp16 precision.keep_dtype=[fc_3,fc_2]",
         "allow_mix_precision"],
    ),
    "threads": ([run("threads=1"), run("threads=null")], ["threads=1", "every core"]),
    "checkpoints": (
        [run(), changed(run(), init_from="runs/9/model-500"),
         changed(run(), init_from="other/model-500")],
        ["no init_from", "init_from=runs/9/model-500", "init_from=other/model-500"],
    ),
    "a run of a version that had no such setting": (
        [run(MIX), changed(run(MIX), **{LIST: ""}), with_file(MIX)],
        ["no mixlist", "allow_mix_precision", "precision.modify_mixlist=soft.json"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", CASES)
def test_a_label_is_what_tells_a_configuration_from_the_others(kind):
    runs, expected = CASES[kind]
    assert [one.label for one in configurations(runs)] == expected


@pytest.mark.parametrize("kind", CASES)
def test_every_label_names_its_configuration_as_the_reference(kind):
    found = configurations(CASES[kind][0])
    for one in found:
        assert reference_of(found, one.label) is one
        assert reference_of(found, one.label.replace(" ", ",")) is one


@pytest.mark.parametrize("name", [*PLAN_FILES, *CHIP_FILES])
def test_a_chip_s_file_is_known_by_its_content(name):
    key, tag = f"hardware.{name}", f"{'hardware' if name in CHIP_FILES else 'precision'}.{name}"
    runs = [
        changed(run(F16, **{tag: content * 12}), **{key: path})
        for path, content in (("a/off.cfg", "1"), ("off.cfg", "1"), ("b.cfg", "2"))
    ]
    assert [one.label for one in configurations(runs)] == [f"{key}=off.cfg", f"{key}=b.cfg"]
