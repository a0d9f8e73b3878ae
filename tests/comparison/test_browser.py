"""A person looks at a sweep in `mlflow ui`, in a real browser, on either MLflow."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sweeps import record_sweep  # isort: skip

from lenet_exp.comparison.compare import compare_sweep
from tests.browsers import browser, needs_browser
from tests.stacks import full_on_tf1
from tests.stores import new_store

SECONDS = 60  # for a page, on a busy machine
CSS, TEXT, XPATH = "css selector", "link text", "xpath"
EXPERIMENT = {
    "tf1": "#/experiments/{}",
    "tf2": "#/experiments/{}/runs?workflowType=machine_learning",  # 3.x opens another page first
}
JOBS = [
    (("precision=must_keep_origin_dtype",), 9815, {"sec_per_step": 0.005}),
    (("precision=allow_mix_precision",), 9842, {"sec_per_step": 0.008}),
    (("precision=force_fp16",), 1010, {"sec_per_step": 0.01}),
]
# What MLflow shows of them in its three decimals at most.
SHOWN = {
    "accuracy_percent": ["98.15", "98.42", "10.1"],
    "images_per_sec": ["12800", "8000", "6400"],
}


@pytest.fixture
def driver():
    needs_browser()
    with browser.open_browser(1500, 1000) as opened:
        opened.implicitly_wait(SECONDS)
        yield opened


def text_with(driver, pattern):
    """Wait until the page shows a text; return all that it shows."""
    from selenium.webdriver.support.ui import WebDriverWait

    def shown(_):
        text = driver.find_element(CSS, "body").text
        return text if re.search(pattern, text) else None

    return WebDriverWait(driver, SECONDS).until(shown, f"no {pattern} on the page")


def check_compared(driver, children):
    """Read the compare page: every run, and the metrics of each in its column."""
    ids = re.search(r"Run ID:((?:\s+[0-9a-f]{32})+)", text_with(driver, "accuracy_percent"))
    columns = ids.group(1).split()
    assert sorted(columns) == sorted(children)
    for metric, values in SHOWN.items():
        ordered = [values[children.index(run_id)] for run_id in columns]
        text_with(driver, r"\b" + r"\s+".join(map(re.escape, ordered)) + r"\b")
        text_with(driver, metric)


def test_the_sweep_s_runs_are_selected_and_compared(driver, tmp_path, stack):
    uri = str(tmp_path / "mlruns") if stack == "tf1" else new_store(tmp_path / "mlflow.db")
    parent, children = record_sweep(uri, tmp_path / "runs", "modes", JOBS)
    compare_sweep(uri, "lenet-exp", "modes")
    with browser.mlflow_ui(tmp_path) as address:
        driver.get(f"{address}/{EXPERIMENT[stack].format(1)}")
        expander = f'[row-id="{parent}"] .ExperimentView-expander, [row-id="{parent}"] button'
        driver.find_element(CSS, expander).click()
        for run_id in children:
            box = driver.find_element(CSS, f'[row-id="{run_id}"] input[type="checkbox"]')
            driver.execute_script("arguments[0].click()", box)  # a drawn one covers it
        driver.find_element(XPATH, "//button[normalize-space()='Compare']").click()
        check_compared(driver, children)

        driver.get(f"{address}/#/experiments/1/runs/{parent}")
        link = driver.find_element(TEXT, "Compare these runs")
        page = driver.find_element(TEXT, "the page of this comparison").get_attribute("href")
        described = text_with(driver, "Description")
        assert "modes: 3 runs, 3 configurations" in described
        link.click()
        driver.switch_to.window(driver.window_handles[-1])
        check_compared(driver, children)

        driver.get(page)
        driver.switch_to.frame(driver.find_element(CSS, "iframe"))
        assert "force_fp16 does not learn" in text_with(driver, "lenet-exp comparison: modes")


@pytest.fixture
def page(tmp_path):
    """A comparison's page, of runs in a real store."""
    uri = new_store(tmp_path / "runs.db")
    record_sweep(uri, tmp_path / "runs", "modes", JOBS)
    compare_sweep(uri, "lenet-exp", "modes")
    return Path("outputs", "comparisons", "modes", "comparison.html").resolve()


SEEN = """
const shown = [...document.images].map(one => one.naturalWidth > 0);
const style = getComputedStyle(document.body), image = getComputedStyle(document.images[0]);
return {width: document.documentElement.scrollWidth, paper: style.backgroundColor,
        filter: image.filter, pictures: shown.length, whole: shown.every(Boolean),
        fetched: performance.getEntriesByType("resource").map(one => one.name)
                 .filter(name => !name.startsWith("data:"))};
"""
LIGHT, DARK = "rgb(255, 255, 255)", "rgb(22, 28, 36)"


@full_on_tf1
def test_the_page_is_read_on_a_phone_at_night_in_print_and_offline(driver, page):
    for width, media, scheme, paper in (
        (390, "", "light", LIGHT),
        (390, "", "dark", DARK),
        (1280, "", "dark", DARK),
        (1040, "print", "dark", LIGHT),
    ):
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width == 390}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        feature = {"name": "prefers-color-scheme", "value": scheme}
        driver.execute_cdp_cmd(
            "Emulation.setEmulatedMedia", {"media": media, "features": [feature]}
        )
        driver.get(page.as_uri())
        seen = driver.execute_script(SEEN)
        assert (seen["width"], seen["paper"]) == (width, paper)
        assert (seen["filter"] == "none") == (paper == LIGHT)  # plots on the page's own paper
        assert (seen["pictures"], seen["whole"], seen["fetched"]) == (4 + 3, True, [])
