"""What a trained network sees in pictures, as a person asks."""

from __future__ import annotations

import csv
import io
import shutil
import struct

import numpy as np
import pytest
from PIL import Image

from lenet_exp.data import mnist
from tests.stacks import FULL_ON_TF1, besides_loading


@pytest.fixture
def rows_of(trained, capsys, monkeypatch):
    """Return what predicts in this process: TensorFlow is loaded already."""
    from lenet_exp.predict import main

    monkeypatch.chdir(trained.folder)

    def rows(*words):
        assert main([*words, "format=csv"]) == 0
        printed = capsys.readouterr()
        assert printed.err == ""
        return list(csv.DictReader(io.StringIO(printed.out)))

    return rows


def classes(rows):
    return [int(row["class"]) for row in rows]


def seen_by(trained):
    with np.load(str(trained.folder / "outputs" / "it" / "test_predictions.npz")) as kept:
        return kept["classes"]


def pictures(digit):
    """Return a picture of 28x28 in ten forms: name -> image."""
    black = Image.fromarray(digit)
    white = Image.fromarray(255 - digit)
    large = Image.new("L", (500, 300), "white")
    large.paste(white.resize((224, 224), Image.Resampling.BICUBIC), (200, 40))
    clear = Image.new("RGBA", (28, 28), "black")
    clear.putalpha(black)
    light = Image.new("RGBA", (28, 28), "white")
    light.putalpha(black)
    return {
        "0": black,
        "1": white,
        "2": white.convert("RGB"),
        "3": black.convert("P"),
        "4": Image.fromarray(digit.astype(np.uint16) * 257),
        "5": clear,
        "6": light,
        "7": large,
        "8": large.convert("RGBA"),
        "9": black.resize((280, 280), Image.Resampling.BICUBIC),
    }


@pytest.fixture(scope="module")
def folder(trained, mnist_folder, tmp_path_factory):
    """Ten PNGs, one of each digit and form, in folders that say which."""
    folder = tmp_path_factory.mktemp("pngs")
    test, seen = mnist.load(mnist_folder).test, seen_by(trained)
    for digit in range(10):
        index = np.flatnonzero((test.labels == digit) & (seen == digit))[3]
        (folder / str(digit)).mkdir()
        form = pictures(test.images[index, :, :, 0])[str(digit)]
        form.save(str(folder / str(digit) / f"form{digit}.png"))
    return folder


def test_ten_pngs_in_all_forms_give_the_right_table(trained, folder):
    done = trained.run("model=outputs/it", f"images={folder}", verb="predict", fresh=True)
    assert (done.returncode, besides_loading(done.stderr)) == (0, "")
    header, *rows = done.stdout.split("\n\n")[0].splitlines()
    assert header.split() == ["image", "class", "probability", "label"]
    assert [row.split()[:2] for row in rows] == [[f"{d}/form{d}.png", str(d)] for d in range(10)]
    assert all(0.1 < float(row.split()[2]) <= 1 for row in rows)
    assert "accuracy 1.0000 (10 of 10)" in done.stdout
    assert "a first run was left out" in done.stdout


def test_a_name_with_a_comma_is_one_cell(rows_of, folder, tmp_path):
    name = 'a,"b".png'
    shutil.copy(str(folder / "7" / "form7.png"), str(tmp_path / name))
    (row,) = rows_of("model=outputs/it", f"images={tmp_path / name}")
    assert (row["image"], row["class"]) == (name, "7")


@pytest.mark.parametrize("batch", [1, 3, 64])
def test_the_batch_changes_no_answer(rows_of, folder, batch):
    rows = rows_of("model=outputs/it", f"images={folder}", f"batch={batch}")
    assert classes(rows) == list(range(10))


def test_a_single_png_has_no_label(trained, folder, tmp_path):
    shutil.copy(str(folder / "7" / "form7.png"), str(tmp_path / "one.png"))
    words = ("model=outputs/it", f"images={tmp_path / 'one.png'}", "precision=force_fp16")
    done = trained.run(*words, verb="predict")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[1].split()[:2] == ["one.png", "7"]
    assert "accuracy" not in done.stdout
    assert "label" not in done.stdout
    assert "precision force_fp16, emulated on the CPU" in done.stdout


def test_an_idx_file_a_folder_and_every_kind_of_model_give_what_the_run_saw(
    trained, mnist_folder, rows_of, capsys
):
    from lenet_exp.export import main

    assert main(["run=latest"]) == 0
    capsys.readouterr()
    run = trained.folder / "outputs" / "it"
    asked = {
        "the .pb": (run / "export" / "lenet.pb", mnist_folder / "t10k-images-idx3-ubyte"),
        "the SavedModel": (run / "export" / "saved_model", mnist_folder),
        "the checkpoint": (run / "checkpoints" / "500", "mnist"),
    }
    for model, images in asked.values():
        rows = rows_of(f"model={model}", f"images={images}")
        assert classes(rows) == seen_by(trained).tolist()
        labels = mnist.load(mnist_folder).test.labels
        assert [int(row["label"]) for row in rows] == labels.tolist()


@pytest.mark.parametrize(
    "mode", ["force_fp16", pytest.param("allow_mix_precision", marks=FULL_ON_TF1)]
)
def test_a_mode_gives_what_a_run_in_that_mode_would_see(
    trained, mnist_folder, rows_of, mode, tmp_path
):
    from lenet_exp.config.cli.command_line import settings_to_explain
    from lenet_exp.experiment import graphs
    from lenet_exp.hardware import cpu
    from lenet_exp.training.program import FedRunner, assemble

    images = mnist.load(mnist_folder).test.images[:500]
    idx = tmp_path / "some-idx3-ubyte"
    idx.write_bytes(struct.pack(">4i", 2051, *images.shape[:3]) + images.tobytes())
    settings = settings_to_explain([f"precision={mode}", "threads=1"])
    built = graphs.build_graphs(settings)
    made = graphs.emulated(built, graphs.plan(settings, built))
    whole = assemble(*made, settings.loss_scale)
    with cpu.open_session(whole.program.graph, 1) as session:
        runner = FedRunner(whole, session, None)
        runner.restore(str(trained.folder / "outputs" / "it" / "checkpoints" / "500" / "model"))
        wanted = runner.predict(images)
    asked = ("model=outputs/it", f"images={idx}", "threads=1")
    rows = rows_of(*asked, f"precision={mode}")
    assert classes(rows) == wanted.tolist()
    # Not each network has an image whose class the mode changes.
    probable = [row["probability"] for row in rows]
    exact = rows_of(*asked, "precision=must_keep_origin_dtype")
    assert probable != [row["probability"] for row in exact]


WRONG = [
    ("images=mnist", "key model is missing"),
    ("model=latest", "key images is missing"),
    ("model=latest images=nowhere", "nowhere: is not there"),
    ("model=latest images=outputs/it/checkpoints/500", "holds no PNG and no MNIST test set"),
    ("model=latest images=text.png", "text.png: is no image that can be read"),
    ("model=latest images=cut.png", "cut.png: is no image that can be read"),
    ("model=latest images=blank.png", "blank.png: shows no digit"),
    ("model=latest images=text.txt", "text.txt: is "),
    ("model=nothing images=mnist", "model=nothing is not possible"),
    ("model=other.pb images=mnist", "other.pb: it has no node"),
    ("model=text.pb images=mnist", "text.pb: it holds no TensorFlow graph"),
    ("model=broken.index images=mnist", "broken: can't be read"),
    ("model=latest images=mnist batch=0", "batch=0 is not possible"),
    ("model=latest images=mnist format=xml", "table | csv"),
    ("model=latest images=mnist precision=nope", "precision=nope is not possible"),
    ("model=latest images=mnist optimizer=adam", "optimizer=adam is not possible"),
    ("model=latest --images=mnist", "without dashes"),
    ("model=latest images=mnist imags=x", "images is one"),
]


@pytest.fixture(scope="module")
def bad_files(trained):
    from lenet_exp import tf_compat

    tf = tf_compat.load()
    folder = trained.folder
    for name in ("text.png", "text.txt", "text.pb", "broken.index"):
        (folder / name).write_text("no such thing")
    Image.new("L", (40, 40), 250).save(str(folder / "blank.png"))
    whole = io.BytesIO()
    noise = np.random.RandomState(0).randint(0, 256, (28, 28)).astype(np.uint8)
    Image.fromarray(noise).save(whole, "PNG")
    (folder / "cut.png").write_bytes(whole.getvalue()[:200])
    with tf.Graph().as_default() as graph:
        tf.placeholder(tf.float32, [None, 28, 28, 1], "image")
        tf.constant(1.0, name="elsewhere")
    (folder / "other.pb").write_bytes(graph.as_graph_def().SerializeToString())


@pytest.mark.parametrize(("words", "told"), WRONG)
def test_what_can_not_be_predicted_is_told(trained, bad_files, words, told, capsys, monkeypatch):
    from lenet_exp.predict import main

    monkeypatch.chdir(trained.folder)
    assert main(words.split()) == 2  # our words, as an exception would not give
    printed = capsys.readouterr()
    assert printed.out == ""
    assert told in printed.err
    assert "try: " in printed.err.replace("try:     ", "try: ")
