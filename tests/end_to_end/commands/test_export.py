"""What is exported, read by TensorFlow alone."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.stacks import FULL_ON_TF1

pytestmark = FULL_ON_TF1  # there test_predict.py exports, and both stacks read what tf2 exported
ROOT = Path(__file__).resolve().parents[3]

# No line of ours: what another program would do with the two files.
PLAIN = """
import sys
import numpy as np
import tensorflow
tf = tensorflow.compat.v1
images, graph_file, saved_model, answers = sys.argv[1:]
pixels = np.fromfile(images, np.uint8)[16:].reshape(-1, 28, 28, 1)
pixels = pixels.astype(np.float32) * np.float32(1 / 255)

graph_def = tf.GraphDef()
graph_def.ParseFromString(open(graph_file, "rb").read())
with tf.Graph().as_default() as graph:
    tf.import_graph_def(graph_def, name="")
with tf.Session(graph=graph) as session:
    wanted = ["logits:0", "probabilities:0", "class:0"]
    of_graph = session.run(wanted, {"image:0": pixels})

if tensorflow.__version__.startswith("1."):
    with tf.Session(graph=tf.Graph()) as session:
        meta = tf.saved_model.load(session, ["serve"], saved_model)
        signature = meta.signature_def["serving_default"]
        names = [signature.outputs[key].name for key in ("logits", "probabilities", "class")]
        of_model = session.run(names, {signature.inputs["image"].name: pixels})
else:
    function = tensorflow.saved_model.load(saved_model).signatures["serving_default"]
    found = function(image=tensorflow.constant(pixels))
    of_model = [found[key].numpy() for key in ("logits", "probabilities", "class")]
assert "lenet_exp" not in sys.modules
np.savez(answers, graph=of_graph[2], model=of_model[2], logits=of_graph[0], shares=of_graph[1])
"""


@pytest.fixture(scope="module")
def exported(trained):
    done = trained.run("run=latest", verb="export")
    assert (done.returncode, done.stderr) == (0, "")
    return trained.folder / "outputs" / "it" / "export", done.stdout


@pytest.mark.parametrize("stack", ["tf1", "tf2"])
def test_plain_tensorflow_of_either_stack_sees_what_the_run_saw(
    exported, trained, mnist_folder, stack, tmp_path
):
    python = ROOT / ".venv" / stack / "bin" / "python"
    if not python.exists():
        pytest.skip(f"there is no .venv/{stack}")
    folder, answers = exported[0], tmp_path / "answers.npz"
    files = [mnist_folder / "t10k-images-idx3-ubyte", folder / "lenet.pb", folder / "saved_model"]
    command = [str(python), "-c", PLAIN, *map(str, files), str(answers)]
    done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with np.load(str(trained.folder / "outputs" / "it" / "test_predictions.npz")) as kept:
        seen = kept["classes"]
    with np.load(str(answers)) as found:
        assert seen.shape == found["graph"].shape == (10000,)
        assert found["graph"].dtype == np.int32
        # Another TensorFlow sums in another order: a tie may fall otherwise, and none does.
        assert np.array_equal(found["graph"], seen)
        assert np.array_equal(found["model"], seen)
        exp = np.exp(found["logits"].astype(np.float64))
        np.testing.assert_allclose(
            found["shares"], exp / exp.sum(axis=1, keepdims=True), rtol=1e-4, atol=1e-7
        )


def test_the_chip_s_command_states_what_atc_would_choose_otherwise(exported):
    (command,) = re.findall(r"^  (atc .*)$", exported[1], re.MULTILINE)
    for word in (
        "--framework=3",
        "--model=outputs/it/export/lenet.pb",
        "--output=outputs/it/export/lenet",
        "--input_shape=image:64,28,28,1",
        "--input_format=NHWC",
        "'--out_nodes=logits:0;probabilities:0;class:0'",
        "--precision_mode=must_keep_origin_dtype",
    ):
        assert word in command.split()
    assert "atc's default is force_fp16" in exported[1]
    assert "warning: in this mode the chip refuses Conv2D" in exported[1]


def test_it_holds_no_variable_and_nothing_of_the_training(exported):
    from lenet_exp import tf_compat

    graph_def = tf_compat.load().GraphDef()
    graph_def.ParseFromString((exported[0] / "lenet.pb").read_bytes())
    assert {node.op for node in graph_def.node} == {
        "Placeholder", "Const", "Conv2D", "BiasAdd", "Sigmoid", "MaxPool", "Reshape", "MatMul",
        "Identity", "Softmax", "ArgMax",
    }  # fmt: skip


def test_another_folder_can_be_named(trained, tmp_path):
    done = trained.run("run=outputs/it", f"to={tmp_path / 'there'}", verb="export")
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(path.name for path in (tmp_path / "there").iterdir()) == [
        "lenet.pb",
        "saved_model",
    ]


def test_what_can_not_be_exported_is_told(trained, tmp_path):
    bare = tmp_path / "bare"
    shutil.copytree(str(trained.folder / "outputs" / "it"), str(bare))
    shutil.rmtree(str(bare / "checkpoints"))
    for words, told in (
        ([], "run=latest"),
        (["run=nothing"], "run=nothing is not possible"),
        (["run=latest", "as=onnx"], "to=..."),
        ([f"run={bare}"], "holds no whole checkpoint yet"),
    ):
        done = trained.run(*words, verb="export")
        assert (done.returncode, done.stdout) == (2, "")
        assert told in done.stderr
        assert "try: " in done.stderr
        assert "Traceback" not in done.stderr


def test_a_file_in_the_way_is_told(trained, tmp_path):
    (tmp_path / "file").write_text("")
    done = trained.run("run=latest", f"to={tmp_path / 'file'}", verb="export")
    assert (done.returncode, done.stdout) == (1, "")
    assert str(tmp_path / "file") in done.stderr
    assert "Traceback" not in done.stderr
