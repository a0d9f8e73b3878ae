"""What any page of ours has to be: whole, and readable for everybody."""

from __future__ import annotations

import re
from html.parser import HTMLParser

TEXTS = ("--ink", "--soft", "--good", "--bad", "--cast", "--link")
PAPERS = ("--paper", "--band", "--float16", "--float32", "--both", "--ai_cpu",
          *(f"--heat{level}" for level in range(6)))  # fmt: skip
LEAST_CONTRAST = 4.5  # WCAG 2, level AA


class _Reader(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = []
        self.ids = []
        self.scripts = 0
        self.text = {}
        self._open = None

    def handle_starttag(self, tag, attrs):
        known = dict(attrs)
        self._open = tag
        if tag == "img" and len(known.get("alt", "")) < 10:
            self.found.append("a picture without a text")
        if tag == "th" and known.get("scope") not in ("col", "row", "rowgroup"):
            self.found.append("a head of a table without scope")
        if tag == "html" and known.get("lang") != "en":
            self.found.append("no language")
        for key in ("src", "href", "srcset", "action", "data"):
            if not known.get(key, "data:").startswith("data:"):
                self.found.append(f"{tag} needs {known[key]}")
        if "id" in known:
            self.ids.append(known["id"])
        self.scripts += tag == "script"
        if tag in ("link", "iframe", "object"):
            self.found.append(f"has a {tag}")

    def handle_data(self, data):
        self.text[self._open] = self.text.get(self._open, "") + data


def problems(page, scripts=0):
    """Return what is wrong with a page (HTML text) that has so many scripts of its own."""
    reader = _Reader()
    reader.feed(page)
    found = reader.found
    found += [f"has {reader.scripts} scripts"] if reader.scripts != scripts else []
    found += ["an id twice"] if len(set(reader.ids)) < len(reader.ids) else []
    found += [f"no {tag}" for tag in ("title", "h1") if not reader.text.get(tag, "").strip()]
    style = reader.text["style"]
    found += ["its style needs a file"] if re.search(r"@import|url\(", style) else []
    found += [f"no {what}" for what in ("@media print", "max-width: 900px") if what not in style]
    for theme, colours in palettes(style).items():
        if contrast(colours["--on_refused"], colours["--refused"]) < LEAST_CONTRAST:
            found.append(f"{theme}: --on_refused on --refused has too little contrast")
        for text in TEXTS:
            for paper in PAPERS:
                ratio = contrast(colours[text], colours[paper])
                if ratio < LEAST_CONTRAST and (paper in PAPERS[:2] or text == "--ink"):
                    found.append(f"{theme}: {text} on {paper} has a contrast of {ratio:.2f}")
    return found


def palettes(style):
    """Return the colours of a light and a dark page."""
    light, dark = re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    return {
        name: dict(re.findall(r"(--\w+): (#[0-9a-f]{6})", text))
        for name, text in (("light", light), ("dark", dark))
    }


def contrast(one, other):
    """Return the contrast ratio of two colours, "#rrggbb", as WCAG 2 has it."""

    def luminance(colour):
        parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)
