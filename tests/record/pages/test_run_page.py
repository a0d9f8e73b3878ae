"""A run's own page, of whatever its folder holds."""

from __future__ import annotations

import numpy as np
import pytest

from lenet_exp.record.pages import run_page
from lenet_exp.record.run import plots, results, run_files
from lenet_exp.record.store.journal import Entry
from lenet_exp.training.history import History
from tests.pages import problems

pytestmark = pytest.mark.stackless

PLAN = """graph,section,name,ge_type,types,inputs,outputs,casts,engine,unit,flops
train,forward,conv/<b>,Conv2D,hh>h,float16 float16,float16,0 1,ai_core,cube,100
train,update,adam_1,ApplyAdamD,ff>f,float32 float32,float32,,ai_core,vector,
train,update,adam_2,ApplyAdamD,ff>f,float32 float32,float32,,ai_core,vector,
inference,forward,conv,Conv2D,ff>f,float32 float32,float32,,refused,cube,100
"""
LABELS = np.array([4, 4, 9, 9] * 5, np.uint8)
CLASSES = np.array([4, 9, 9, 9] * 5, np.uint8)


def entries(accuracy=0.9829, steps=5000, **tags):
    known = {"precision": "allow_mix_precision", "emulated": "true", "hardware": "cpu",
             "chip": "refused: Conv2D", **tags}  # fmt: skip
    metrics = {"accuracy": accuracy, "loss": 0.05, "sec_per_step": 0.00552}
    return [
        Entry("run", {"run_id": "ab" * 16, "name": "mix-seed0"}, 0),
        Entry("params", {"seed": 0, "optimizer.name": "adam"}, 0),
        Entry("tags", known, 0),
        *([Entry("metrics", metrics, 0, steps)] if accuracy is not None else []),
    ]


@pytest.fixture
def folder(tmp_path):
    """A run folder with every file that the page shows."""
    history = History(losses=np.ones(20, np.float32)).with_validation(0.9)
    images = np.zeros((len(LABELS), 28, 28, 1), np.uint8)
    pictures = {
        "loss.png": plots.loss_curve(history, "mix-seed0"),
        "confusion_matrix.png": plots.confusion_matrix(images, LABELS, CLASSES, "mix-seed0"),
    }
    for name, content in pictures.items():
        run_files.write_bytes(tmp_path / "figures" / name, content)
    results.write_test_predictions(run_files.RunFolder(tmp_path), CLASSES, LABELS)
    (tmp_path / "precision.csv").write_text(PLAN)
    (tmp_path / "config.yaml").write_text("seed: 0  # <mine>\n")
    (tmp_path / "overflows.txt").write_text("overflows in 20 training steps: none\n")
    return tmp_path


def test_the_page_shows_the_run_and_needs_no_other_file(folder):
    page = run_page.render(folder, entries(), 0.975).decode()
    assert problems(page) == []
    assert page.count("data:image/png;base64,") == 2
    for told in (
        "<h1>allow_mix_precision reached the ModelZoo&#39;s accuracy of 0.975: 0.9829 after 5000",
        "Emulated: float16 is imitated",
        "refused: Conv2D",
        "0.00552",
        "seed: 0  # &lt;mine&gt;",
        "overflows in 20 training steps: none",
        "15 of 20 test images right; most often mistaken: 4 for 9 (5 times)",
        "In the training step 33 % of the operators have float16, and 100 % of the cube",
        '<code class="types float16">hh&gt;h, 2 casts</code>',
        '<code class="types float32">ff&gt;f, refused</code>',
        "2 ApplyAdamD",
        "conv/&lt;b&gt;",
    ):
        assert told in page


@pytest.mark.parametrize("emulated", ["true", "false"])
def test_what_was_emulated_says_so(folder, emulated):
    page = run_page.render(folder, entries(emulated=emulated), 0.975).decode()
    for told in ("Emulated: ", "cpu, float16 emulated"):
        assert (told in page) == (emulated == "true")


def test_what_is_not_there_is_left_out(tmp_path):
    page = run_page.render(tmp_path, entries()[:1], 0.975).decode()
    assert problems(page) == []
    assert "not tested yet" in page
    assert "<img" not in page
    assert "precision.trace_overflow=true" in page


def without(*columns):
    """Return PLAN without some columns, as an earlier version wrote it."""
    rows = [line.split(",") for line in PLAN.splitlines()]
    kept = [at for at, name in enumerate(rows[0]) if name not in columns]
    return "".join(",".join(row[at] for at in kept) + "\n" for row in rows)


OLDER = {
    "no costs": ("precision.csv", without("unit", "flops").encode()),
    "no section and no engine": ("precision.csv", without("section", "engine").encode()),
    "a plan that was cut": ("precision.csv", PLAN[:-60].encode()),
    "an empty plan": ("precision.csv", b""),
    "no labels": ("test_predictions.npz", None),
    "damaged predictions": ("test_predictions.npz", b"PK"),
}


@pytest.mark.parametrize("kind", OLDER)
def test_what_an_earlier_version_or_a_kill_left_makes_a_page(kind, folder):
    name, content = OLDER[kind]
    if content is None:
        np.savez(str(folder / name), classes=CLASSES)
    else:
        (folder / name).write_bytes(content)
    page = run_page.render(folder, entries(), 0.975).decode()
    assert problems(page) == []
    assert "0.9829" in page
    assert ("conv/&lt;b&gt;" in page) == (kind != "an empty plan")


@pytest.mark.parametrize(
    ("accuracy", "steps", "told"),
    [
        (0.975, 5000, "reached the ModelZoo's accuracy of 0.975: 0.9750 after 5000 steps."),
        (0.1, 5000, "missed the ModelZoo's accuracy of 0.975: 0.1000 after 5000 steps."),
        (0.3, 20, "has accuracy 0.3000 after 20 steps: a look, not a training."),
        (0.1, 1, "has accuracy 0.1000 after 1 step: a look, not a training."),
    ],
)
def test_the_conclusion_is_one_sentence(accuracy, steps, told):
    said = run_page.conclusion(entries(accuracy, steps), 0.975)
    assert said == f"allow_mix_precision {told}"
