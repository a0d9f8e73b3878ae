"""Photograph a sweep's comparison and its pages in `mlflow ui` into docs/images/.

python scripts/screenshots.py [sweep=NAME]: of the store in this folder; the last sweep.
"""

import subprocess
import sys
import time
from pathlib import Path

import browser

from lenet_exp.comparison import compare, load_runs
from lenet_exp.comparison.configurations import configurations

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
EXPERIMENT = "lenet-exp"
SETTLED = 4  # seconds until MLflow's own plots stand still
CLOSE_ASSISTANT = "[data-component-id='mlflow.assistant.chat_panel.close']"  # MLflow 3's


def photograph(driver, name, width, height=None, phone=False):
    """Write a picture of the page, or of its upper part."""
    whole = driver.execute_script("return document.documentElement.scrollHeight")
    metrics = {"width": width, "height": min(whole, height or whole), "mobile": phone}
    metrics["deviceScaleFactor"] = 1
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    driver.save_screenshot(str(IMAGES / name))
    print(IMAGES / name)


def of_the_page(page):
    with browser.open_browser(1280, 900) as driver:
        driver.get(page.as_uri())
        photograph(driver, "comparison.png", 1280)
    with browser.open_browser(390, 844, phone=True, dark=True) as driver:
        driver.get(page.as_uri())
        photograph(driver, "comparison-phone.png", 390, 1500, phone=True)


def of_mlflow(address, found):
    link = compare.compare_link(configurations(found.runs))
    pages = {"mlflow-compare.png": link}
    if found.parent is not None:
        run = found.parent
        pages["mlflow-sweep.png"] = f"#/experiments/{run.experiment_id}/runs/{run.run_id}"
    for name, path in pages.items():
        with browser.open_browser(1500, 900) as driver:
            driver.get(f"{address}/{path}")
            time.sleep(SETTLED)
            for button in driver.find_elements("css selector", CLOSE_ASSISTANT):
                button.click()
            for more in driver.find_elements("xpath", "//*[text()='Show more']"):
                more.click()
            time.sleep(SETTLED)
            photograph(driver, name, 1500, 900)


def main(words):
    lacking = browser.missing()
    if lacking:
        sys.exit(f"lenet-exp: {lacking}")
    IMAGES.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "lenet_exp.compare", *words]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(done.returncode)
    print(done.stdout)
    page = Path(done.stdout.rpartition("page: ")[2].strip()).resolve()
    of_the_page(page)
    names = [word.partition("=")[2] for word in words if word.startswith("sweep=")]
    store = compare.open_store(None, EXPERIMENT)
    with browser.mlflow_ui(Path.cwd()) as address:
        of_mlflow(address, load_runs.sweep(store, (names or [load_runs.LATEST])[0]))


if __name__ == "__main__":
    main(sys.argv[1:])
