"""A person looks at a plan's page in a real browser: searches, clicks, compares, on a phone too."""

from __future__ import annotations

import pytest

from lenet_exp.record.pages.plan import plan_page
from tests.browsers import browser, needs_browser
from tests.record.pages import plan_models

pytestmark = [pytest.mark.stackless, pytest.mark.slow]
LIGHT, DARK = "rgb(255, 255, 255)", "rgb(22, 28, 36)"
SEEN = """
return {width: document.documentElement.scrollWidth, title: document.title,
        paper: getComputedStyle(document.body).backgroundColor,
        fetched: performance.getEntriesByType("resource").length};
"""


@pytest.fixture(scope="module")
def driver():
    needs_browser()
    with browser.open_browser(1280, 900) as opened:
        yield opened


@pytest.fixture
def look(driver, tmp_path):
    """Open the page of a model, its address after a "#"; return the browser."""

    def opened(model, address="", width=1280, scheme="light"):
        (tmp_path / "plan.html").write_bytes(plan_page.render(model))
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        feature = {"name": "prefers-color-scheme", "value": scheme}
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
        driver.get("about:blank")  # else another address of one page opens nothing anew
        driver.get((tmp_path / "plan.html").as_uri() + address)
        return driver

    return opened


def one(driver, selector):
    return driver.find_element("css selector", selector)


def texts(driver, selector):
    return [each.text for each in driver.find_elements("css selector", selector)]


def names(driver):
    return texts(driver, "#rows .name")


def choose(driver, selector, value):
    one(driver, f"{selector} option[value='{value}']").click()


def test_search_filters_and_keys(look):
    driver = look(plan_models.two_plans())
    assert names(driver)[0] == "all operators"
    one(driver, "body").send_keys("/")
    one(driver, "#search").send_keys("EXP")
    assert names(driver) == ["all operators", "net", "loss", "Exp"]
    assert one(driver, "#count").text == "1 of 4 operators"
    one(driver, "#search").send_keys("\n")
    assert one(driver, "#panel h2").text.endswith("net/loss/Exp")
    one(driver, "#search").clear()
    choose(driver, "#list", "white")
    assert names(driver) == ["all operators", "net", "conv", "Conv2D"]
    choose(driver, "#list", "")
    choose(driver, "#only", "changed")
    assert names(driver)[-1] == "Exp"
    choose(driver, "#only", "")
    one(driver, "#kind-refused").click()
    assert "Print" not in names(driver)
    one(driver, "#outline").send_keys("\ue013")  # up, to the scope
    assert one(driver, "#panel h2").text == "net/loss"
    one(driver, "#outline").send_keys("\ue012")  # left closes it
    assert "Exp" not in names(driver)


def test_a_click_shows_an_operator_with_links_to_what_is_beside_it(look):
    driver = look(plan_models.two_plans(), "#operator=net%2Fconv%2FConv2D")
    panel = one(driver, "#panel").text
    assert "cast float32 \u2192 float16" in panel
    assert [row.split()[0] for row in texts(driver, "#panel .facts:not(.measured) tr")[:3]] == [
        "plan", "types", "is",
    ]  # fmt: skip
    one(driver, "#panel .edges a").click()
    assert one(driver, "#panel h2").text.endswith("net/conv/Relu")
    one(driver, "#panel .drawing a[href*='Exp']").click()
    assert one(driver, "#panel h2").text.endswith("net/loss/Exp")
    driver.back()
    assert one(driver, "#panel h2").text.endswith("net/conv/Relu")
    driver.execute_script(  # at once: the rows are drawn anew while they are read one by one
        "[...document.querySelectorAll('#rows .row')]"
        ".find(row => row.textContent.includes('Print')).click()"
    )
    assert one(driver, "#panel h2").text.split() == ["RR", "Print"]
    assert texts(driver, "#panel .facts:not(.measured) tr")[2] == "is refused refused"


def test_what_differs_and_what_was_measured_is_marked(look):
    driver = look(plan_models.two_plans(), "#operator=net%2Floss%2FExp")
    assert texts(driver, "#panel .facts tr.differs th") == ["types \u2260", "is \u2260"]
    assert "An overflow begins here" in one(driver, "#panel").text
    marked = driver.find_elements("css selector", "#rows .row:has(.differs)")
    assert [mark.text for mark in marked[0].find_elements("css selector", ".mark")] == ["f", "h"]
    assert len(marked) == 1
    choose(driver, "#heat", "damage")
    assert texts(driver, "#rows .row:has(.differs) .heat") == ["2.5e-1"]
    choose(driver, "#only", "first")
    assert names(driver)[-1] == "Exp"


@pytest.mark.parametrize(
    ("width", "scheme", "paper"),
    [(390, "light", LIGHT), (390, "dark", DARK), (1280, "dark", DARK)],
)
def test_the_page_fits_a_phone_and_the_night_and_fetches_nothing(look, width, scheme, paper):
    driver = look(plan_models.two_plans(), "#operator=net%2Fconv%2FConv2D", width, scheme)
    seen = driver.execute_script(SEEN)
    assert (seen["width"], seen["paper"], seen["fetched"]) == (width, paper, 0)
    height = one(driver, "#rows .row").size["height"]
    assert height >= (44 if width < 500 else 30)  # what a finger can hit


INSIDE = """
const end = document.getElementById("outline").getBoundingClientRect().right;
const all = (of) => [...document.querySelectorAll(of)];
const cut = all("#rows .row > *").filter((cell) => cell.getBoundingClientRect().right > end);
const styles = all("#rows .shares > *").map((bar) => getComputedStyle(bar).borderTopStyle);
return [cut.map((cell) => cell.className), styles.filter((style) => style !== "none")];
"""


def test_on_a_phone_no_cell_of_a_row_is_cut_off(look):
    heat = {"damage": 3.2e-4, "lost": 0.01, "overflows": 12, "first": False}
    sides = plan_models.side(cast=True, casts=3), plan_models.side("ai_cpu")
    row = plan_models.operator("layer_1/Conv2D", *sides, changed=True, heat=heat)
    driver = look(plan_models.model([row], ("left", "right"), hot=True), width=390)
    choose(driver, "#heat", "damage")
    assert driver.execute_script(INSIDE) == [[], []]


def test_names_are_text_whatever_they_are(look):
    model = plan_models.hostile()
    driver = look(model, width=390)
    for each in model["operators"]:
        driver.execute_script(
            "location.hash = '#operator=' + encodeURIComponent(arguments[0])", each["name"]
        )
        shown = driver.execute_script("return document.querySelector('#panel h2').textContent")
        assert shown.endswith(each["name"])
    seen = driver.execute_script(SEEN)
    assert seen["title"].startswith("</script>")
    assert (seen["fetched"], seen["width"]) == (0, 390)
    assert driver.find_elements("css selector", "img") == []


def test_of_a_large_graph_only_what_can_be_seen_is_drawn(look):
    driver = look(plan_models.large())
    assert one(driver, "#count").text == "5000 of 5000 operators"
    count = "return document.getElementsByTagName('*').length"
    begin = driver.execute_script(count)
    one(driver, "#search").send_keys("op49")  # 111 of them, all scopes open
    one(driver, "#search").clear()
    one(driver, "#search").send_keys(" ")
    driver.execute_script(
        "for (const scope of arguments[0]) location.hash = scope", ["#scope=part4"]
    )
    driver.execute_script("document.getElementById('outline').scrollTop = 1e9")
    assert driver.execute_script(count) < begin + 1500
    assert len(driver.find_elements("css selector", "#rows .row")) < 60
