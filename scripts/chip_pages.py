"""Write what follows from lenet_exp/config/chip/options.json: the YAML and the page's tables.

Without an argument it writes them; `check` says which are not in step, and exits with 1.
"""

import sys
import textwrap
from itertools import groupby
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from lenet_exp.config.chip.options import OWN, TABLE  # noqa: E402 - after the path

YAML = ROOT / "conf" / "hardware" / "ascend910.yaml"
PAGE = ROOT / "docs" / "ascend910.md"
BEGIN, END = "<!-- options: scripts/chip_pages.py -->", "<!-- end of options -->"
FIELDS = {"b": "bool", "i": "int", "s": "text"}
HEAD = """\
# python -m lenet_exp.run hardware=ascend910
# a Huawei Ascend 910 through npu_bridge (Python 3.7, TensorFlow 1.15)
name: ascend910
cann: today        # today: CANN 8.1; 2021: February 2021, as in docs/precision.md
on_refused: warn   # error: no training of a graph that the chip would not compile
device: auto       # a free one of devices (or ASCEND_DEVICE_ID or DEVICE_ID, if set), or a number
devices: [0, 1, 2, 3, 4, 5, 6, 7]  # those that auto may take; a lock holds one for a run
iterations_per_loop: null          # steps a session call; null: the most up to 10 that fit

# Options of npu_bridge. null: not sent, and the adapter's own default holds.
# This part is made from lenet_exp/config/chip/options.json by scripts/chip_pages.py.
"""
TAIL = "\nextra: null  # options that have no key here, typed by their value: {KEY: VALUE}\n"


def yaml_text():
    lines = []
    for section, options in groupby(OWN, lambda option: option.section):
        lines.append(f"\n# {section}")
        for option in options:
            lines += [f"# {line}" for line in textwrap.wrap(comment(option), 96)]
            value = "null" if option.default is None else option.default
            lines.append(f"{option.key}: {value}")
    return HEAD + "\n".join(lines) + "\n" + TAIL


def comment(option):
    parts = [f"{option.help} ({option.allowed})"]
    if option.needs:
        parts.append("only with " + " or ".join(option.needs))
    if option.since > "2021-02":
        parts.append(f"since {option.since}")
    return f"{option.key}: " + "; ".join(parts)


def page_text():
    lines = []
    for section, options in groupby(TABLE.values(), lambda option: option.section):
        lines += ["", f"### {section[0].upper()}{section[1:]}", ""]
        lines += [
            "| key | type | allowed | default | since | |",
            "| --- | --- | --- | --- | --- | --- |",
        ]
        lines += [row(option) for option in options]
    return "\n".join(lines) + "\n"


def row(option):
    own = not option.by
    allowed = option.allowed if own or option.values or option.field != "s" else "text"
    default = option.default_of_adapter or ("" if option.default is None else option.default)
    notes = [option.help]
    if option.by not in ("", "extra", "refused"):
        notes.append(f"set by `{option.by}`")
    for word, keys in (("only with", option.needs), ("needs", option.requires)):
        if keys:
            notes.append(f"{word} " + " or ".join(f"`{key}`" for key in keys))
    if option.excludes:
        notes.append("never with " + ", ".join(f"`{key}`" for key in option.excludes))
    if option.boolean_until:
        notes.append(f"a bool to adapters until {option.boolean_until}, and is sent so")
    if option.init:
        notes.append("of the process")
    cells = [
        f"`{option.key}`",
        FIELDS[option.field],
        allowed,
        default,
        option.since,
        "; ".join(notes),
    ]
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"


def page():
    before, _, rest = PAGE.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    return before + BEGIN + "\n" + page_text() + "\n" + END + after


def main(words):
    wanted = {YAML: yaml_text(), PAGE: page()}
    stale = [path for path, text in wanted.items() if path.read_text() != text]
    if words == ["check"]:
        for path in stale:
            print(f"{path.relative_to(ROOT)} is not in step: python scripts/chip_pages.py")
        return 1 if stale else 0
    for path in stale:
        path.write_text(wanted[path])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
