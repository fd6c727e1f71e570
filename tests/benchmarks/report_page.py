"""How large the page of a comparison is, and how soon a browser has it: 10 methods, 6 slices, 10 seeds, 77 classes.

The rows are made up, the page has every part that a real one has. Opened in Chromium without a window, from a file, a
new browser each round; the time is that of the page's own navigation timing, from the start of the navigation to the
end of the load event. Run as ``python -m tests.benchmarks.report_page [--quick]``; it needs Chromium and chromedriver.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.common import finish, machine, mean_sd
from tests.evaluation.reports.browser import as_phone, missing_browser, open_browser, open_page
from tests.evaluation.reports.pages import METHODS, N_CLASSES, SEEDS, SLICES, write_large_page

ROUNDS = 10
LARGEST_MB, LONGEST_MS = 3.0, 1000.0
SORT = """
const button = [...document.querySelectorAll("details:last-of-type th button")].at(-2), start = performance.now();
button.click();
document.body.offsetHeight;
return performance.now() - start;
"""
"""Sorts the table of all cells, and waits until it is laid out anew."""


def measure(page: Path, *, phone: bool) -> dict[str, float]:
    """Return the milliseconds that a new browser takes to open the page, and to sort its largest table."""
    with open_browser() as driver:
        if phone:
            as_phone(driver)
        load = open_page(driver, page)
        driver.execute_script("for (const part of document.querySelectorAll('details')) part.open = true")
        return {"load_ms": load, "sort_ms": float(driver.execute_script(SORT))}


def run(rounds: int) -> dict[str, Any]:
    """Write the page, and open it again and again on a desk and on a phone, which take turns."""
    with tempfile.TemporaryDirectory() as folder:
        page = write_large_page(Path(folder))
        megabytes = page.stat().st_size / 1e6
        found: dict[str, list[dict[str, float]]] = {"desk": [], "phone": []}
        for _ in range(rounds):
            for screen, times in found.items():
                times.append(measure(page, phone=screen == "phone"))
    screens = {
        screen: {name: mean_sd([one[name] for one in times]) for name in ("load_ms", "sort_ms")}
        for screen, times in found.items()
    }
    worst = max(float(np.max(screens[screen]["load_ms"]["values"])) for screen in screens)
    goals = [
        {"goal": "MB of the page", "at_most": LARGEST_MB, "measured": megabytes, "met": megabytes < LARGEST_MB},
        {"goal": "ms to open, slowest", "at_most": LONGEST_MS, "measured": worst, "met": worst < LONGEST_MS},
    ]
    plan = {"methods": METHODS, "slices": SLICES, "seeds": SEEDS, "classes": N_CLASSES, "rounds": rounds}
    return {"benchmark": "report_page", "plan": plan, "megabytes": megabytes, "screens": screens, "goals": goals}


def main() -> None:
    """Run and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two rounds instead of ten; writes report_page_quick.json")
    options = parser.parse_args()
    if reason := missing_browser():
        raise SystemExit(f"this benchmark needs a browser: {reason}")
    name = "report_page_quick" if options.quick else "report_page"
    finish(name, run(2 if options.quick else ROUNDS) | {"machine": machine()})


if __name__ == "__main__":
    main()
