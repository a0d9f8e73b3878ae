"""The files that options of the chip name."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """Files and folders that the rows name."""
    folder = tmp_path_factory.mktemp("chip")
    contents = {"json": "{}", "text": "x", "odd": '{"white-list": {"add": []}}'}
    contents["both"] = "op_debug_config = ccec_O0, oom"
    for name, content in contents.items():
        (folder / name).write_text(content)
    (folder / "made").mkdir()
    (folder / "bytes").write_bytes(b"\xff\xfe")
    return {name: str(folder / name) for name in (*contents, "bytes", "made", "missing")}
