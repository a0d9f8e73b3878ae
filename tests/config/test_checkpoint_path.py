"""Which checkpoint a path means."""

from __future__ import annotations

import os

import pytest

from lenet_exp.config.checkpoint_path import prefix_named

pytestmark = pytest.mark.stackless

FILES = [
    "run/checkpoints/500/model.index",
    "run/checkpoints/1000/model.index",
    "run/checkpoints/.1500.7.part/model.index",
    "ckpt_npu/mode.ckpt.index",
    "ckpt_npu/mode.ckpt.data-00000-of-00001",
    "ckpt_npu/mode.ckpt.meta",
    "moved/model.ckpt-100.index",
    "lost/checkpoint",
]


@pytest.fixture
def files(tmp_path):
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    told = 'model_checkpoint_path: "{}"\nall_model_checkpoint_paths: "other"\n'
    (tmp_path / "ckpt_npu" / "checkpoint").write_text(told.format("mode.ckpt"))
    (tmp_path / "moved" / "checkpoint").write_text(told.format("/elsewhere/model.ckpt-100"))
    (tmp_path / "lost" / "checkpoint").write_text(told.format("gone.ckpt"))
    (tmp_path / "empty").mkdir()


@pytest.mark.parametrize(
    ("text", "prefix"),
    [
        ("run", "run/checkpoints/1000/model"),
        ("run/checkpoints/500", "run/checkpoints/500/model"),
        ("run/checkpoints/500/model", "run/checkpoints/500/model"),
        ("run/checkpoints/500/model.index", "run/checkpoints/500/model"),
        ("ckpt_npu", "ckpt_npu/mode.ckpt"),
        ("ckpt_npu/", "ckpt_npu/mode.ckpt"),
        ("ckpt_npu/mode.ckpt", "ckpt_npu/mode.ckpt"),
        ("ckpt_npu/mode.ckpt.meta", "ckpt_npu/mode.ckpt"),
        ("ckpt_npu/mode.ckpt.data-00000-of-00001", "ckpt_npu/mode.ckpt"),
        ("moved", "moved/model.ckpt-100"),
        ("lost", None),
        ("empty", None),
        ("nothing", None),
        (".", None),
        ("/", None),
        ("..", None),
        ("ckpt_npu/mode", None),
        ("~no-such-user/x", None),
        ("a\0b", None),
        ("x" * 5000, None),
    ],
)
def test_a_path_means_a_prefix_or_none(files, text, prefix):
    found = prefix_named(text)
    assert (None if found is None else str(found)) == prefix


def test_a_pipe_is_not_read(files, tmp_path):
    os.mkfifo(str(tmp_path / "empty" / "checkpoint"))
    assert prefix_named("empty") is None


@pytest.mark.parametrize(("folder", "text"), [("run", "."), ("run/checkpoints/500", "../..")])
def test_the_current_folder_may_be_meant(files, monkeypatch, folder, text):
    monkeypatch.chdir(folder)
    assert str(prefix_named(text)).endswith("checkpoints/1000/model")
