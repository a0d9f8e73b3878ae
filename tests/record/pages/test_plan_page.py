"""The page of a plan: whole by itself, and names that are no friends of it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import pytest

from lenet_exp.record.pages.plan import plan_page
from tests.pages import problems
from tests.record.pages import plan_models

pytestmark = pytest.mark.stackless

MODELS = {
    "two": plan_models.two_plans(), "hostile": plan_models.hostile(),
    "none": plan_models.model([]),
}  # fmt: skip


class Scripts(HTMLParser):
    def __init__(self):
        super().__init__()
        self.scripts, self.policy, self.tags = [], "", set()

    def handle_starttag(self, tag, attrs):
        known = dict(attrs)
        self.tags.add(tag)
        if tag == "script":
            self.scripts.append("")
        if known.get("http-equiv") == "Content-Security-Policy":
            self.policy = known["content"]

    def handle_data(self, data):
        if self.lasttag == "script" and self.scripts:
            self.scripts[-1] += data


def read(page):
    reader = Scripts()
    reader.feed(page)
    return reader


@pytest.mark.parametrize("name", MODELS)
def test_the_page_is_one_file_that_holds_what_it_was_given(name):
    page = plan_page.render(MODELS[name]).decode()
    assert problems(page, scripts=2) == []
    found = read(page)
    data, script = (text.rstrip("\n") for text in found.scripts[:2])
    assert json.loads(data) == MODELS[name]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in found.policy
    assert "default-src 'none'" in found.policy
    assert "img" not in found.tags
    urls = {*re.findall(r"\b(?:https?:)?//[\w.]+\.\w+[^\s\"']*", script)}
    assert urls <= {"http://www.w3.org/2000/svg"}  # the name of a language, not an address


def test_the_headline_says_what_a_plan_does_or_how_two_differ():
    assert plan_page.headline(MODELS["none"]).endswith("1 of 0 operators have float16, 1 casts")
    said = "allow_mix_precision and force_fp16: 1 of 4 operators differ"
    assert plan_page.headline(MODELS["two"]) == said


def test_no_number_is_written_that_a_browser_can_not_read():
    broken = plan_models.two_plans()
    broken["operators"][0]["heat"]["damage"] = float("nan")
    with pytest.raises(ValueError, match="JSON"):
        plan_page.render(broken)
