"""Nothing that is read can run: no module calls what makes a program of data.

The sources are read, not run; each call that is allowed is named, with its reason.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

pytestmark = pytest.mark.stackless

ROOT = Path(__file__).resolve().parents[3]
SOURCES = sorted(
    path for folder in ("lenet_exp", "hydra_plugins") for path in (ROOT / folder).rglob("*.py")
)
# Each unpickles, or runs the code of what it loads.
MODULES = {
    "pickle", "cPickle", "_pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve", "torch",
    "ctypes", "cffi",
}  # fmt: skip
CALLS = {
    # a program in words
    "eval", "exec", "compile", "execfile", "system", "popen",
    # what an object's own words construct
    "instantiate", "get_class", "get_method", "get_object", "unsafe_load", "full_load",
    # an archive that chooses where its members go
    "extractall", "unpack_archive", "extract",
    # a library of machine code
    "load_op_library", "LoadLibrary", "CDLL",
    # a module by its name
    "import_module", "__import__", "run_path", "run_module",
}  # fmt: skip
OTHERS = [("re", "compile"), ("platform", "system")]  # of the same name
# (module, call): why what it is given comes from nowhere outside.
ALLOWED = {
    ("lenet_exp/__main__.py", "run_module"): "one of our verbs",
    ("lenet_exp/config/literals.py", "yaml.load"): "by OmegaConf's own loader, a SafeLoader",
    ("lenet_exp/script/interpreter.py", "exec"): "the script that a person asked to run",
    ("lenet_exp/script/interpreter.py", "compile"): "the same script",
    ("lenet_exp/script/interpreter.py", "run_module"): "the same, where it is a module",
    ("lenet_exp/script/run.py", "run_module"): "the same",
    ("lenet_exp/sweep/executors/ray.py", "cloudpickle"): "Ray's own, of our class, to its nodes",
    ("lenet_exp/training/program.py", "extract"): "TensorFlow's extract_sub_graph, of no archive",
}
NAMED = {
    "lenet_exp/cli.py": "the verb's own body",
    "lenet_exp/completion.py": "one of our verbs",
    "lenet_exp/hardware/ascend910.py": "npu_bridge's own modules, by a list of names",
    "lenet_exp/script/bridge/modules.py": "our double of npu_bridge",
    "lenet_exp/sweep/executors/fork_server.py": "a list of names",
    "lenet_exp/sweep/executors/ray.py": "two names",
}
ALLOWED.update({(path, "import_module"): reason for path, reason in NAMED.items()})


def found_in(source):
    """Yield the name of each call or import of a source that could run what it is given."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            named = [each.name for each in node.names] + [getattr(node, "module", None) or ""]
            yield from sorted({name.partition(".")[0] for name in named} & MODULES)
        if isinstance(node, ast.Attribute) and node.attr in MODULES:
            yield node.attr
        if isinstance(node, ast.Call):
            yield from _of_call(node)


def _of_call(node):
    name = getattr(node.func, "attr", getattr(node.func, "id", ""))
    owner = getattr(getattr(node.func, "value", None), "id", "")
    if name in CALLS and (owner, name) not in OTHERS:
        yield name
    if owner == "yaml" and name in ("load", "load_all"):
        yield "yaml.load"
    for keyword in node.keywords:
        is_off = getattr(keyword.value, "value", None) is False
        if keyword.arg in ("allow_pickle", "shell") and not is_off:
            yield keyword.arg


UNSAFE = [
    ("import pickle", "pickle"),
    ("from pickle import loads", "pickle"),
    ("from six.moves import cPickle", "cPickle"),
    ("pandas.compat.pickle.load(f)", "pickle"),
    ("np.load(path, allow_pickle=True)", "allow_pickle"),
    ("np.load(path, allow_pickle=chosen)", "allow_pickle"),
    ("tarfile.open(path).extractall()", "extractall"),
    ("archive.extract(member)", "extract"),
    ("shutil.unpack_archive(path)", "unpack_archive"),
    ("hydra.utils.instantiate(cfg)", "instantiate"),
    ("yaml.load(text, yaml.Loader)", "yaml.load"),
    ("subprocess.run(line, shell=True)", "shell"),
    ("os.system(line)", "system"),
    ("eval(text)", "eval"),
    ("importlib.import_module(cfg.module)", "import_module"),
    ("ctypes.CDLL(path)", "CDLL"),
]
SAFE = ["np.load(path)", "np.load(path, allow_pickle=False)", "re.compile(text)", "json.loads(x)"]


@pytest.mark.parametrize(("source", "name"), UNSAFE)
def test_what_makes_a_program_of_data_is_found(source, name):
    assert name in [*found_in(source)]


@pytest.mark.parametrize("source", SAFE)
def test_what_reads_data_alone_is_not(source):
    assert [*found_in(source)] == []


def test_no_module_runs_what_it_reads_but_those_that_are_named():
    found = {
        (str(path.relative_to(ROOT)), name)
        for path in SOURCES
        for name in found_in(path.read_text("utf-8"))
    }
    assert len(SOURCES) > 200
    assert sorted(found - {*ALLOWED}) == []
    assert sorted({*ALLOWED} - found) == []  # each is needed still
