"""What the pages show is what the commands print."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lenet_exp import explain
from tests.docs import pages
from tests.end_to_end.forked import Forked
from tests.stacks import full_on_tf1

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"
EXPLAIN, RUN = "explain ", "run "


def shown(verb):
    """Return the words of each such command in the page on precision, and what it prints."""
    command = f"$ python -m lenet_exp.{verb}"
    text = (DOCS / "precision.md").read_text()
    found = {}
    for block in re.findall(r"^```\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        first, _, rest = block.partition("\n")
        if first.startswith(command):
            found.setdefault(first[len(command) :], []).append(rest.splitlines())
    return found


@pytest.fixture(autouse=True)
def nothing_but_a_pipe(monkeypatch):
    """A width that a person's terminal has is not the page's."""
    for name in ("COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)


def compare(verb, words, printed):
    for lines in shown(verb)[words]:
        assert len(lines) > 1
        rest = iter(printed)  # each line, in this order; "..." leaves some out
        missing = [line for line in lines if line != "..." and line not in rest]
        assert not missing, printed


@full_on_tf1
@pytest.mark.parametrize("words", shown(EXPLAIN))
def test_the_page_on_precision_shows_real_output(words, capsys):
    assert explain.main(words.split()) == 0
    compare(EXPLAIN, words, capsys.readouterr().out.splitlines())


@pytest.mark.full
@pytest.mark.parametrize("words", shown(RUN))
def test_the_page_on_precision_shows_what_runs_end_with(words, mnist_folder):
    if "force_fp16 " in words and sys.version_info < (3, 8):
        pytest.skip("the same seed gives other weights there, and another one divides by 0 first")
    with Forked("lenet_exp.run", words.split(), str(Path.cwd()), dict(os.environ)) as child:
        said, problems = child.communicate()
    assert child.returncode == 0, problems
    compare(RUN, words, said.splitlines())


@pytest.mark.stackless
@pytest.mark.parametrize("cpu", ["AMD EPYC", "Intel(R) Xeon(R) Processor"])
def test_a_page_made_on_one_machine_holds_on_another(cpu):
    assert pages.form(f"on this CPU ({cpu}), emulated") == "on this CPU, emulated"


@pytest.mark.stackless
def test_links_between_pages_lead_somewhere():
    for page in (*DOCS.glob("*.md"), *DOCS.parent.glob("*.md")):
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), target


@pytest.mark.stackless
def test_every_row_of_a_table_has_as_many_cells_as_its_head():
    for page in (*DOCS.glob("*.md"), *DOCS.parent.glob("*.md")):
        head = 0
        text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
        for line in text.splitlines():
            cells = len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else 0
            head = head if head and cells else cells
            assert cells == head, f"{page.name}: {line}"


@pytest.mark.stackless
def test_the_page_on_settings_names_every_key_and_exit_code():
    from lenet_exp.config.schema.run import all_keys

    text, chip = ((DOCS / name).read_text() for name in ("settings.md", "ascend910.md"))
    chosen = ("name", "precision.mode")  # by the group's own option
    keys = [key for key in all_keys() if not key.endswith(chosen)]
    pages = {key: text + chip if key.startswith("hardware.") else text for key in keys}
    lacking = [
        key for key, page in pages.items()
        if f"`{key}" not in page and f"`{key.partition('hardware.')[2] or '-'}`" not in page
    ]  # fmt: skip
    assert lacking == []
    codes = text.partition("Exit codes: ")[2]
    assert [code for code in ("0", "1", "2", "130", "143") if code not in codes.split()] == []


@pytest.mark.stackless
def test_the_page_on_the_modelzoo_names_every_flag_and_every_fault():
    from lenet_exp.modelzoo.flags import FLAGS

    text = (DOCS / "modelzoo.md").read_text()
    assert [name for name in FLAGS if f"--{name}" not in text] == []
    faults = text[text.index("## What the original does wrong") :]
    numbers = [int(number) for number in re.findall(r"^\| (\d+) \|", faults, re.MULTILINE)]
    assert numbers == list(range(1, 28))


@pytest.mark.stackless
def test_the_page_on_the_chip_shows_a_real_refusal():
    text = (DOCS / "ascend910.md").read_text()
    found = re.search(r"\$ (python[^\n]*=5-3)\n(.*?)```", text, re.DOTALL)
    words, shown_lines = found.groups()
    command = [sys.executable, *words.split()[1:]]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, shown_lines)
