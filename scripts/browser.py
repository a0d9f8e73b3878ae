"""A headless Chromium from the system's packages, and `mlflow ui` for it to look at."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request

PACKAGES = "apt-get install chromium chromium-driver"
_LONGEST_WAIT = 90  # seconds; MLflow 3's server takes tens on a busy machine


def missing():
    """Return what the browser lacks on this machine, None where it can start."""
    for names in (("chromium", "chromium-browser", "google-chrome"), ("chromedriver",)):
        if not any(shutil.which(name) for name in names):
            return "no {} on PATH: {}".format(names[0], PACKAGES)
    return None


@contextlib.contextmanager
def open_browser(width=1280, height=900, phone=False, dark=False):
    """Yield a WebDriver of a fresh profile; sizes in CSS pixels."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    for word in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars"):
        options.add_argument(word)
    options.add_argument("--window-size={},{}".format(width, height))
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    try:
        metrics = {"width": width, "height": height, "deviceScaleFactor": 2 if phone else 1}
        metrics["mobile"] = phone
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        yield driver
    finally:
        driver.quit()


@contextlib.contextmanager
def mlflow_ui(folder):
    """Yield the address of plain `mlflow ui`, started in `folder` by this environment's MLflow."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    bin_folder = os.path.dirname(sys.executable)
    # What MLflow 3 starts besides takes tens of seconds; MLflow 1 knows neither.
    environment = dict(os.environ, MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false", MLFLOW_WORKERS="1")
    environment["PATH"] = os.pathsep.join([bin_folder, environment["PATH"]])
    log = os.path.join(str(folder), "mlflow-ui.log")
    with open(log, "wb") as stream:
        # A group of its own: MLflow's server leaves its workers behind.
        server = subprocess.Popen(
            [os.path.join(bin_folder, "mlflow"), "ui", "--port", str(port)],
            cwd=str(folder),
            env=environment,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        address = "http://127.0.0.1:{}".format(port)
        _wait_for(address, server, log)
        yield address
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def _wait_for(address, server, log):
    end = time.monotonic() + _LONGEST_WAIT
    while time.monotonic() < end and server.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(address + "/health", timeout=5):
            return
        time.sleep(0.2)
    with open(log) as stream:
        raise RuntimeError("mlflow ui did not start:\n" + stream.read()[-2000:])
