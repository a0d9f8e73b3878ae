"""explain that writes a page, or what Model Explorer reads."""

from __future__ import annotations

import json
import re

import pytest

from lenet_exp.record.pages.plan import plan_page
from tests.pages import problems
from tests.stacks import FULL_ON_TF1

pytestmark = FULL_ON_TF1

HTML = ("format=html", "to=plan.html")
MIX = "precision=allow_mix_precision"


@pytest.fixture(autouse=True)
def _in_a_folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def measured(tmp_path):
    """Write what diagnose writes of some operators of LeNet; return it as a word."""
    head = "mode,name,damage,total_values,total_overflows,total_flushed\n"
    rows = ["layer_1/Conv2D,0.25,100,3,10", "layer_1/Sigmoid,inf,100,1,0", "gone,nan,0,0,0"]
    text = head + "".join(f"allow_mix_precision,{row}\n" for row in rows)
    (tmp_path / "errors.csv").write_text(text)
    return "diagnosis=errors.csv"


def model_in(path):
    text = path.read_text()
    return json.loads(re.search(r'id="model">(.*?)</script>', text, re.DOTALL).group(1))


def test_a_page_with_what_was_measured_beside_another_plan(explain, tmp_path, measured):
    done = explain(MIX, "diff=must_keep_origin_dtype", *HTML, measured, quiet=False)
    assert done.out == "page: plan.html\n"
    assert done.err.startswith("warning: ")  # what the other plan's chip refuses
    page = tmp_path / "plan.html"
    assert problems(page.read_text(), scripts=2) == []
    model = model_in(page)
    assert len(model["operators"]) == 55
    heat = {each["name"]: each["heat"] for each in model["operators"] if each["heat"]}
    assert heat["layer_1/Conv2D"] == {"damage": 0.25, "lost": 0.1, "overflows": 3, "first": True}
    assert len(heat) == 2
    kinds = {each["sides"][1]["kind"] for each in model["operators"]}
    assert "refused" in kinds


def test_words_choose_what_a_page_has(explain, tmp_path):
    explain(MIX, *HTML, "only=layer_1,layer_2")
    names = [each["name"] for each in model_in(tmp_path / "plan.html")["operators"]]
    assert len(names) == 6
    assert all(name.startswith("layer_") for name in names)
    done = explain(MIX, *HTML, "only=refused", quiet=False)
    assert "no operator has the rule refused" in done.err
    assert model_in(tmp_path / "plan.html")["operators"] == []


def test_the_files_of_model_explorer(explain, tmp_path, measured):
    words = (MIX, "format=model_explorer", "to=new/plan.json")
    assert explain(*words) == "model explorer: new/plan.json\n"
    assert "new/plan.lost.json, new/plan.overflows.json, " in explain(*words, measured)
    names = ["", ".damage", ".first_overflow", ".lost", ".overflows"]
    files = {path.name: json.loads(path.read_text()) for path in (tmp_path / "new").iterdir()}
    assert sorted(files) == sorted(f"plan{name}.json" for name in names)
    assert files["plan.json"]["graphs"][0]["id"] in files["plan.damage.json"]


def test_a_page_is_written_whole_or_not_at_all(explain, tmp_path, monkeypatch):
    explain(MIX, *HTML)
    before = (tmp_path / "plan.html").read_bytes()

    def breaks(model):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(plan_page, "render", breaks)
    done = explain(MIX, *HTML, code=1, quiet=False)
    assert "No space left on device" in done.err
    assert (tmp_path / "plan.html").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["plan.html"]


def test_a_place_that_takes_no_file_is_said(explain, tmp_path):
    (tmp_path / "file").write_text("")
    done = explain(MIX, "format=html", "to=file/plan.html", code=2, quiet=False)
    assert "to=file/plan.html is not possible" in done.err
    assert "file is no folder" in done.err


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "can't be read: No such file or directory"),
        (b"\xff\xfe", "can't be read: it is no text"),
        (b"", "has no operator"),
        (b"name,damage\na,1\n", "is no CSV or JSON of diagnose"),
        (b'{"operators": 3, "mode": "force_fp16"}', "is no CSV or JSON of diagnose"),
        (b"[" * 100000, "has no operator"),
        (b"{" + b'"a":{' * 100000, "is no CSV or JSON of diagnose"),
        ("mode,name,damage,total_values,total_overflows,total_flushed\n{m},x,1,1,1,1\n",
         "names no operator of the graph"),
        ("mode,name,damage,total_values,total_overflows,total_flushed\n{m},x,-1,1,1,1\n",
         "is no CSV or JSON of diagnose"),
        (b"mode,name,damage,total_values,total_overflows,total_flushed\nforce_fp16,x,1,1,1,1\n",
         "is of force_fp16, not of allow_mix_precision"),
    ],
)  # fmt: skip
def test_a_file_that_is_not_of_diagnose_is_refused(explain, tmp_path, content, says):
    if isinstance(content, str):
        content = content.format(m="allow_mix_precision").encode()
    if content is not None:
        (tmp_path / "x.csv").write_bytes(content)
    done = explain(MIX, *HTML, "diagnosis=x.csv", code=2, quiet=False)
    assert done.err.startswith(f"lenet-exp: x.csv: {says}")
    assert not (tmp_path / "plan.html").exists()
