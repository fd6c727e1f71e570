"""A real browser without a window: the system's Chromium, or a skipped test where there is none."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")


def missing_browser() -> str | None:
    """Say what is missing for a browser test, or ``None``."""
    chromium = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if chromium is None:
        return "there is no Chromium here (apt-get install chromium chromium-driver)"
    if subprocess.run([chromium, "--version"], capture_output=True, check=False).returncode:
        return f"{chromium} does not start"
    if not shutil.which("chromedriver"):
        return "there is no chromedriver here (apt-get install chromium-driver)"
    return None


@contextmanager
def open_browser() -> Iterator[Any]:
    """Give a driver of a browser that reaches nothing but files; nothing is downloaded for it."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = next(filter(None, map(shutil.which, CHROMIUM)))
    for flag in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--window-size=1280,900",
    ):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    try:
        yield driver
    finally:
        driver.quit()


def as_phone(driver: Any, width: int = 390, height: int = 844) -> None:
    """Give the page the width of a phone."""
    sizes = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": True}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", sizes)


def requests_of(driver: Any) -> list[str]:
    """Return the addresses that were asked for since the last call, pictures inside the page left out."""
    messages = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    asked = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    return [address for address in asked if not address.startswith("data:")]


def open_page(driver: Any, page: Path) -> float:
    """Open a page of a file, and return the milliseconds until its load event was over."""
    driver.get(page.resolve().as_uri())
    return float(driver.execute_script("return performance.getEntriesByType('navigation')[0].loadEventEnd"))
