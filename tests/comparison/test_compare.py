"""A sweep in a real store is compared, and what came out is kept with its parent run."""

from __future__ import annotations

import csv
import json
import math
import os
import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from sweeps import record, record_sweep  # isort: skip

from lenet_exp import tf_compat
from lenet_exp.compare import main
from lenet_exp.comparison import compare as comparing
from lenet_exp.comparison import load_runs, plots
from lenet_exp.comparison.compare import compare_sweep
from lenet_exp.errors import DataError, StoreError
from lenet_exp.record.store.mlflow_store import Point, Store
from tests.pages import problems
from tests.stores import new_store

FLOAT32, MIXED, HALF = (
    f"precision={mode}" for mode in ("must_keep_origin_dtype", "allow_mix_precision", "force_fp16")
)
DYNAMIC = (2**17, 2**16, 2**16, 2**17)
JOBS = [
    *(((FLOAT32, f"seed={s}"), r, {"chip": "refused: Conv2D"})
      for s, r in enumerate((9829, 9815, 9839))),
    *(((MIXED, f"seed={s}"), r, {"sec_per_step": 0.008, "scales": DYNAMIC})
      for s, r in enumerate((9842, 9829, 9851))),
    ((HALF, "seed=0"), 1010, {"alone": "false"}),
    ((HALF, "seed=1"), 0, {"status": "FAILED"}),
]  # fmt: skip
ARTIFACTS = ["accuracy.png", "comparison.csv", "comparison.html", "comparison.md",
             "comparison.txt", "difference.png", "loss.png", "speed.png"]  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a store: the sweep `modes` with a parent, and `lonely` without."""
    folder = tmp_path_factory.mktemp("store")
    # Of a database MLflow 1 keeps relative paths, and each test has a folder of its own.
    tf1 = tf_compat.stack_of_this_python() == "tf1"
    uri = str(folder / "mlruns") if tf1 else new_store(folder / "runs.db")
    parent, children = record_sweep(uri, folder / "modes", "modes", JOBS)
    record_sweep(uri, folder / "lonely", "lonely", JOBS[:2], parent=False)
    return folder, uri, parent, children


@pytest.fixture(scope="module")
def compared(place):
    """What was said of the sweep `modes`, and the folder that was made."""
    before = Path.cwd()
    os.chdir(str(place[0]))
    try:
        text = compare_sweep(place[1], "lenet-exp", "modes")
    finally:
        os.chdir(str(before))
    return text, place[0] / "outputs" / "comparisons" / "modes"


@pytest.fixture
def undrawn(monkeypatch):
    """Draw nothing, where no picture is looked at."""
    monkeypatch.setattr(plots, "pictures", lambda *drawn: [])


@pytest.fixture
def uri(place):
    return place[1]


@pytest.fixture
def compare(uri, capsys):
    """Call the command; return its exit code, stdout and stderr."""

    def called(*words):
        code = main([f"tracking.uri={uri}", *words])
        return (code, *capsys.readouterr())

    return called


def test_a_sweep_is_a_table_with_verdicts(compared):
    text, _ = compared
    lines = text.splitlines()
    assert max(map(len, lines)) <= 100
    below = text.partition("\n\n")[2].splitlines()
    order = [line.split()[0] for line in below if line.startswith(("allow", "must", "force"))]
    assert order == 2 * ["allow_mix_precision", "must_keep_origin_dtype", "force_fp16"]
    # The figures of reference sweeps: three pairs decide what two means do not.
    assert "allow_mix_precision: better, +0.13 points +- 0.04 (paired t, n = 3)" in text
    assert "force_fp16: worse, -88.19 points (McNemar's exact test" in text
    assert "left out, not finished: 1 FAILED" in text
    assert "*: ran beside other jobs" in text
    assert "1.60x" in text  # 8 ms over 5 ms
    assert "0.0021" not in text
    assert "on the chip, must_keep_origin_dtype: refused: Conv2D" in text


@pytest.mark.usefixtures("undrawn")
def test_another_reference_turns_the_verdict(uri):
    text = compare_sweep(uri, "lenet-exp", "modes", "allow_mix_precision")
    assert "against allow_mix_precision:" in text
    assert "must_keep_origin_dtype: worse, -0.13 points" in text


@pytest.mark.usefixtures("compared")
def test_the_parent_carries_the_files_and_its_description_the_link(place, uri):
    _, _, parent, children = place
    client = Store(uri, "lenet-exp").client
    listed = [Path(item.path).name for item in client.list_artifacts(parent, "comparison")]
    assert sorted(listed) == ARTIFACTS
    note = client.get_run(parent).data.tags["mlflow.note.content"]
    assert "| allow\\_mix\\_precision | 3 | 0.9841" in note
    ids = json.loads(unquote(re.search(r"\(#/compare-runs\?runs=([^&]+)&", note).group(1)))
    assert sorted(ids) == sorted(children[:-1])
    assert "comparison" not in {item.path for item in client.list_artifacts(children[0])}


def test_the_page_needs_no_other_file_and_no_network(place, compared):
    (_, _, _, children), (_, folder) = place, compared
    page = (folder / "comparison.html").read_text("utf-8")
    assert problems(page) == []
    assert page.count("data:image/png;base64,") == 4 + 3  # plots, confusion matrices
    assert re.search(r'name="viewport" content="width=device-width', page)
    conclusion = "allow_mix_precision trains more accurately than must_keep_origin_dtype"
    assert f"<h1>{conclusion}; force_fp16 (by one seed) does not learn.</h1>" in page
    assert "not reached by force_fp16 (0.1010)" in page
    assert "8 ms" not in page  # sec/step everywhere
    assert "force_fp16, seed 0" in page  # its confusion matrix
    for run_id in children:
        assert run_id in page
    assert "mode: allow_mix_precision" in page  # a resolved configuration
    assert "update_fc_1/weight/ApplyAdam" in page  # differs between modes
    rows = list(csv.DictReader((folder / "comparison.csv").open()))
    assert [row["runs"] for row in rows] == ["3", "3", "1"]
    assert rows[0]["float16_flops"] == "1.0"


def test_the_loss_scale_is_drawn_where_there_is_one(tmp_path):
    uri = new_store(tmp_path / "runs.db")
    jobs = [((MIXED, "loss_scale=dynamic"), 9800, {"scales": DYNAMIC}), ((MIXED,), 9790, {})]
    record_sweep(uri, tmp_path / "runs", "scales", jobs)
    text = compare_sweep(uri, "lenet-exp", "scales")
    assert (tmp_path / "outputs/comparisons/scales/loss_scale.png").read_bytes()[:4] == b"\x89PNG"
    assert re.search(r"^loss_scale=dynamic +\S+ +\S+ +\S+ +1 +2\^17", text, re.MULTILINE)


def test_a_sweep_without_a_parent_leaves_its_runs_as_they_are(uri):
    store = Store(uri, "lenet-exp")
    before = load_runs.sweep(store, "lonely")
    compare_sweep(uri, "lenet-exp", "lonely")
    assert load_runs.sweep(store, "lonely") == before
    for run in before.runs:
        assert len(store.client.list_artifacts(run.run_id)) == 4


@pytest.mark.usefixtures("undrawn")
def test_the_command_compares_the_last_sweep_some_runs_or_all(place, compare):
    _, _, _, children = place
    asked = {
        "lonely: 2 runs": [],
        "modes: 8 runs": ["sweep=modes"],
        f"runs {children[0][:8]} {children[3][:8]}: 2 runs": [
            f"runs=[{children[0]},{children[3]}]"
        ],
        "lenet-exp: 10 runs": ["tracking.experiment=lenet-exp"],
    }
    for beginning, words in asked.items():
        code, said, problem = compare(*words)
        assert (code, problem) == (0, "")
        assert f"\n\n{beginning}" in said  # below the conclusion
        page = Path(re.search(r"^page: (.*)$", said, re.MULTILINE).group(1))
        assert page.parent.parent == Path("outputs", "comparisons")
        assert page.exists()


@pytest.mark.parametrize(
    ("required", "code", "told"),
    [
        pytest.param("0.1", 0, "", id="reached"),
        pytest.param(
            "0.975", 1, "lenet-exp: force_fp16: accuracy 0.1010, required 0.975\n", id="missed"
        ),
    ],
)
@pytest.mark.usefixtures("undrawn")
def test_a_required_accuracy_is_an_exit_code(compare, required, code, told):
    found, _, problem = compare("sweep=modes", f"require_accuracy={required}")
    assert (found, problem) == (code, told)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        pytest.param(["sweep=nope"], "which has lonely, modes", id="no such sweep"),
        pytest.param(["runs=[123]"], "run 123 is not in this store", id="no such run"),
        pytest.param(["tracking.experiment=nope"], "which has lenet-exp", id="no such experiment"),
        pytest.param(["sweep=modes", "reference=x"], "allowed: must_keep_origin_dtype |",
                     id="no such reference"),
        pytest.param(["sweep=modes", "require_accuracy=2"], "a number from 0 to 1", id="percent"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_refused_with_what_is(compare, words, told):
    code, said, problem = compare(*words)
    assert (code, said) == (2, "")
    assert told in problem


@pytest.mark.parametrize("name", ["mlflow.db", "empty"])
def test_looking_for_runs_makes_no_store(tmp_path, name):
    uri = f"sqlite:///{tmp_path / name}" if name == "mlflow.db" else str(tmp_path / name)
    with pytest.raises(StoreError, match="no run was recorded"):
        comparing.open_store(uri, "lenet-exp")
    assert list(tmp_path.iterdir()) == []


def test_runs_that_lack_files_are_compared_by_their_numbers(tmp_path):
    uri = new_store(tmp_path / "runs.db")
    store = Store(uri, "lenet-exp")
    ids = [record(store, tmp_path / mode, [mode], 9800, sweep="x") for mode in (FLOAT32, MIXED)]
    for run_id in ids:
        folder = Path(store.client.get_run(run_id).info.artifact_uri)
        for name in ("config.yaml", "precision.csv", "figures/confusion_matrix.png"):
            (folder / name).unlink()
        (folder / "test_predictions.npz").write_bytes(b"PK")
    text = compare_sweep(uri, "lenet-exp", "x")
    assert "allow_mix_precision: +0.00 points; no verdict: one run" in text


def test_what_is_no_number_is_read_back_as_such(tmp_path):
    store = Store(new_store(tmp_path / "runs.db"), "lenet-exp")
    values = [2.5, math.inf, -math.inf, math.nan]
    made = store.create("x", {})
    made.metrics([Point("loss", value, 1, 10 - step) for step, value in enumerate(values)])
    made.metrics([Point("last", -math.inf, 1, 1)])
    (run,) = load_runs.experiment(store, "lenet-exp").runs
    assert (run.metrics["loss"], run.metrics["last"]) == (2.5, -math.inf)
    found = load_runs.points(store, run, "loss")
    assert found.steps.tolist() == [7, 8, 9, 10]
    assert repr(found.values.tolist()) == repr(values[::-1])
    assert load_runs.points(store, run, "loss_scale") is None


def test_a_run_whose_seed_is_no_number_is_left_out_by_name(tmp_path):
    uri = new_store(tmp_path / "runs.db")
    store = Store(uri, "lenet-exp")
    store.create("theirs", {"sweep": "x"}).params({"seed": None})
    with pytest.raises(DataError, match="no run with a seed that is a whole number"):
        compare_sweep(uri, "lenet-exp", "x")
    record_sweep(uri, tmp_path / "runs", "x", [((MIXED, "seed=1"), 9800, {})])
    text = compare_sweep(uri, "lenet-exp", "x")
    assert "left out, the seed is no whole number: theirs (seed=null)" in text
    assert "x: 1 run, 1 configuration" in text


def test_the_parent_of_a_sweep_is_no_run_to_compare(place, compare):
    _, _, parent, children = place
    code, said, problem = compare(f"runs=[{children[0]},{parent}]")
    assert (code, said) == (2, "")
    assert f"{parent} is the parent of the sweep modes" in problem
    assert problem.endswith(" sweep=modes\n")
    assert "runs=" not in problem.splitlines()[-1]


def test_each_comparison_has_a_folder_of_its_own(tmp_path):
    store = Store(new_store(tmp_path / "runs.db"), "x")
    ids = [store.create("run", {"sweep": "x"}).run_id for _ in range(6)]
    found = [load_runs.sweep(store, "x"), load_runs.experiment(store, "x")]
    found += [load_runs.chosen(store, [*ids[:4], last]) for last in ids[4:]]
    assert len({one.folder for one in found}) == 4
    assert found[0].folder == "x"


def test_nothing_of_an_earlier_comparison_stays(uri, tmp_path):
    folder = tmp_path / "outputs" / "comparisons" / "lonely"
    folder.mkdir(parents=True)
    for name in ("loss_scale.png", "comparison.html", "mine.txt"):
        (folder / name).write_text("earlier")
    compare_sweep(uri, "lenet-exp", "lonely")
    assert not (folder / "loss_scale.png").exists()
    assert (folder / "comparison.html").read_text("utf-8") != "earlier"
    assert (folder / "mine.txt").read_text() == "earlier"


def test_a_reference_for_scripts_is_refused(tmp_path, capsys):
    uri = new_store(tmp_path / "runs.db")
    Store(uri, "of scripts").create("run", {"script": "x.py"})
    words = [f"tracking.uri={uri}", "tracking.experiment=of scripts", "reference=force_fp16"]
    code, (said, problem) = main(words), capsys.readouterr()
    assert (code, said) == (2, "")
    assert "reference=force_fp16 is not possible" in problem
    assert problem.splitlines()[-1].endswith("'tracking.experiment=of scripts'")


def test_seeds_of_one_configuration_are_held_against_nothing(tmp_path):
    uri = new_store(tmp_path / "runs.db")
    jobs = [((f"seed={seed}",), 9800 + 2 * seed, {}) for seed in range(2)]
    parent, _ = record_sweep(uri, tmp_path / "runs", "seeds", jobs)
    text = compare_sweep(uri, "lenet-exp", "seeds")
    # 12.706 x 0.0001, from the table of Student's t
    shown = r"^allow_mix_precision +2 +0\.9801 \+-0\.0013 +reference"
    assert re.search(shown, text, re.MULTILINE)
    assert "2 runs, 1 configuration," in text
    note = Store(uri, "lenet-exp").client.get_run(parent).data.tags["mlflow.note.content"]
    assert "gainst" not in text + note
    record_sweep(uri, tmp_path / "runs", "none yet", [])
    with pytest.raises(DataError, match="has no runs: it ended as FINISHED before its first job"):
        compare_sweep(uri, "lenet-exp", "none yet")


def test_a_sweep_with_nothing_finished_says_so(tmp_path):
    uri = new_store(tmp_path / "runs.db")
    jobs = [((mode,), 0, {"status": "FAILED"}) for mode in (FLOAT32, MIXED)]
    record_sweep(uri, tmp_path / "runs", "x", jobs)
    text = compare_sweep(uri, "lenet-exp", "x")
    assert "no verdict" not in text
    assert "left out, not finished: 2 FAILED (must_keep_origin_dtype seed 0, allow_mix_p" in text
    assert text.startswith("No run has finished: there is nothing to compare yet.\n")
    assert "ModelZoo's baseline: accuracy 0.975; no run has finished" in text
    page = (tmp_path / "outputs/comparisons/x/comparison.html").read_text("utf-8")
    assert problems(page) == []
    assert "reached by all" not in page
    with pytest.raises(DataError):
        compare_sweep(uri, "lenet-exp", "y")
