"""Photograph a sweep's comparison, a run's page and both in `mlflow ui` into docs/images/.

python scripts/screenshots.py [sweep=NAME]: of the store in this folder; the last sweep.
python scripts/screenshots.py plan: the pages of plans alone, which need no sweep.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import browser
from PIL import Image

from lenet_exp.comparison import compare, load_runs
from lenet_exp.comparison.configurations import configurations, reference_of

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
EXPERIMENT = "lenet-exp"
SETTLED = 4  # seconds until MLflow's own plots stand still
CLOSE_ASSISTANT = "[data-component-id='mlflow.assistant.chat_panel.close']"  # MLflow 3's
RUNS_FIRST = "workflowType=machine_learning"  # else MLflow 3 opens on another kind of page


def photograph(driver, name, width, height=None, phone=False):
    """Write a picture of the page, or of its upper part."""
    whole = driver.execute_script("return document.documentElement.scrollHeight")
    metrics = {"width": width, "height": min(whole, height or whole), "mobile": phone}
    metrics["deviceScaleFactor"] = 1
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    path = IMAGES / name
    driver.save_screenshot(str(path))
    with Image.open(str(path)) as taken:
        # A palette makes the file a third of what it would be; this one keeps rare colours.
        small = taken.convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=2)
    small.save(str(path), optimize=True)
    print("{}: {} kB".format(path, path.stat().st_size // 1000))


def of_pages(comparison, run):
    for name, page, height in (("comparison", comparison, 1800), ("run", run, 1500)):
        with browser.open_browser(1280, 900) as driver:
            driver.get(page.as_uri())
            photograph(driver, "{}.png".format(name), 1280, height)
    with browser.open_browser(390, 844, phone=True, dark=True) as driver:
        driver.get(comparison.as_uri())
        photograph(driver, "comparison-phone.png", 390, 1500, phone=True)


def of_plans():
    """Photograph a plan of LeNet with what diagnose measured, and two plans side by side."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        mode, page = "precision=force_fp16", ["format=html", "to=heat.html"]
        (folder / "errors.csv").write_text(printed("diagnose", folder, mode, "format=csv"))
        printed("explain", folder, mode, "diagnosis=errors.csv", *page)
        printed("explain", folder, "precision=allow_mix_precision", "diff=force_fp16",
                "format=html", "to=diff.html")  # fmt: skip
        differs = "#operator=gradients%2Ffc_3%2FBiasAdd_grad%2FBiasAddGrad"
        for picture, file, dark, phone in (
            ("plan.png", "heat.html", False, False),
            ("plan-diff.png", "diff.html" + differs, True, False),
            ("plan-phone.png", "diff.html" + differs, False, True),
        ):
            width, height = (390, 844) if phone else (1280, 900)
            with browser.open_browser(width, height, phone, dark) as driver:
                driver.get("{}/{}".format(folder.as_uri(), file))
                for option in driver.find_elements("css selector", "#heat option[value=damage]"):
                    option.click()
                photograph(driver, picture, width, 1700 if phone else height, phone)


def printed(verb, folder, *words):
    command = [sys.executable, "-m", "lenet_exp." + verb, *words]
    return subprocess.run(
        command, cwd=str(folder), stdout=subprocess.PIPE, text=True, check=True
    ).stdout


def of_mlflow(address, found):
    experiment = "#/experiments/{}/runs".format(found.runs[0].experiment_id)
    pages = {
        "mlflow-runs.png": "{}?{}".format(experiment, RUNS_FIRST),
        "mlflow-compare.png": compare.compare_link(configurations(found.runs)),
    }
    if found.parent is not None:
        pages["mlflow-sweep.png"] = "{}/{}?{}".format(experiment, found.parent.run_id, RUNS_FIRST)
    for name, path in pages.items():
        with browser.open_browser(1500, 900) as driver:
            driver.get(f"{address}/{path}")
            time.sleep(SETTLED)
            for button in driver.find_elements("css selector", CLOSE_ASSISTANT):
                button.click()
            if found.parent is not None and path.startswith(experiment + "?"):
                row = "[row-id='{}'] ".format(found.parent.run_id)
                expander = "{0}.ExperimentView-expander, {0}button".format(row)
                driver.find_element("css selector", expander).click()
            for more in driver.find_elements("xpath", "//*[text()='Show more']"):
                more.click()
            time.sleep(SETTLED)
            photograph(driver, name, 1500, 900)


def main(words):
    lacking = browser.missing()
    if lacking:
        sys.exit(f"lenet-exp: {lacking}")
    IMAGES.mkdir(exist_ok=True)
    of_plans()
    if words == ["plan"]:
        return
    command = [sys.executable, "-m", "lenet_exp.compare", *words]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(done.returncode)
    print(done.stdout)
    page = Path(done.stdout.rpartition("page: ")[2].splitlines()[0]).resolve()
    names = [word.partition("=")[2] for word in words if word.startswith("sweep=")]
    store = compare.open_store(None, EXPERIMENT)
    found = load_runs.sweep(store, (names or [load_runs.LATEST])[0])
    made = configurations(found.runs)
    best = next(
        (one for one in made if one.label == "allow_mix_precision"), reference_of(made, None)
    )
    run = Path(best.runs[0].tags["folder"])
    of_pages(page, run / "report.html")
    shutil.copy(str(run / "figures" / "loss.png"), str(IMAGES / "loss.png"))
    with browser.mlflow_ui(Path.cwd()) as address:
        of_mlflow(address, found)


if __name__ == "__main__":
    main(sys.argv[1:])
