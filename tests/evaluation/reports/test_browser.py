"""The page in a real browser: that it sorts, fits a phone and paper, and lets nothing run or load."""

from pathlib import Path

import pytest

from tests.evaluation.reports.browser import as_phone, missing_browser, open_browser, open_page, requests_of
from tests.evaluation.reports.pages import EVIL, EVIL_IMAGE, write_hostile_page, write_large_page

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # selenium's own sockets
]


@pytest.fixture(scope="module")
def large(tmp_path_factory) -> Path:
    """The page of 600 cells."""
    return write_large_page(tmp_path_factory.mktemp("large"))


@pytest.fixture(scope="module")
def hostile(tmp_path_factory) -> Path:
    """The page with code in every name."""
    return write_hostile_page(tmp_path_factory.mktemp("hostile"))


@pytest.fixture(scope="module")
def browser():
    """One browser for all tests; each opens its page anew."""
    if reason := missing_browser():
        pytest.skip(reason)
    with open_browser() as driver:
        yield driver


@pytest.fixture
def driver(browser):
    """The browser with no earlier entries in its logs, as wide as a desk's."""
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.get("about:blank")
    browser.get_log("browser")
    browser.get_log("performance")
    return browser


def column(driver, table, heading: str) -> list[str]:
    """Return the texts of a column."""
    script = """const [table, name] = arguments, heads = [...table.tHead.rows[0].cells];
    const place = heads.findIndex(head => head.textContent === name);
    return [...table.tBodies[0].rows].map(row => row.cells[place].textContent);"""
    return driver.execute_script(script, table, heading)


def heading(table, name: str):
    """Return the button in a heading."""
    [button] = [b for b in table.find_elements("css selector", "th button") if b.get_attribute("textContent") == name]
    return button


def numbers(texts: list[str]) -> list[float]:
    """Return the numbers that cells begin with."""
    return [float(text.split(" ± ")[0].replace(",", "")) for text in texts]


def test_the_page_renders_without_an_error(driver, large):
    """Prevents a script or style that the page's own policy forbids, broken pictures, and a page that hangs.

    It takes a tenth of a second, see ``tests/benchmarks/report_page.py``; the bound has slack for a busy machine.
    """
    assert 0 < open_page(driver, large) < 5000
    assert driver.title == "Comparison of methods"
    assert driver.get_log("browser") == []
    widths = driver.execute_script("return [...document.images].map(image => image.naturalWidth)")
    assert len(widths) == 4
    assert min(widths) > 500
    assert all(driver.execute_script("return [...document.images].map(image => image.alt)"))
    note = driver.find_element("css selector", ".note")
    assert note.value_of_css_property("background-color") != "rgba(0, 0, 0, 0)", "the style was not let in"


def test_headings_sort_by_click_and_by_key(driver, large):
    """Prevents a table that only a mouse can sort, or that puts 100 before 9 or nothing before something."""
    from selenium.webdriver.common.keys import Keys

    open_page(driver, large)
    table = driver.find_element("css selector", "table")
    before = numbers(column(driver, table, "n_train"))
    heading(table, "n_train").click()
    head = heading(table, "n_train").find_element("xpath", "..")
    assert numbers(column(driver, table, "n_train")) == sorted(before) != before
    assert head.get_attribute("aria-sort") == "ascending"
    heading(table, "n_train").send_keys(Keys.ENTER)
    assert numbers(column(driver, table, "n_train")) == sorted(before, reverse=True)
    assert head.get_attribute("aria-sort") == "descending"
    heading(table, "macro_f1").send_keys(Keys.SPACE)
    scores = numbers(column(driver, table, "macro_f1"))
    assert scores == sorted(scores)
    assert head.get_attribute("aria-sort") is None
    assert driver.get_log("browser") == []


def test_empty_fields_stay_last_in_either_direction(driver, hostile):
    """Prevents what is not known from standing first, as if it were the least or the most."""
    open_page(driver, hostile)
    driver.execute_script("document.querySelector('details').open = true")
    table = driver.find_elements("css selector", "table")[-1]
    for _ in range(2):
        heading(table, "accuracy").click()
        assert [bool(text) for text in column(driver, table, "accuracy")] == [True] * 8 + [False]


def test_code_in_names_and_texts_shows_and_does_not_run(driver, hostile):
    """Prevents a text, label, class, error or file name from running in the reader's browser."""
    open_page(driver, hostile)
    assert driver.execute_script("return window.hacked") is None
    assert driver.execute_script("return document.scripts.length") == 1
    assert driver.execute_script("return [...document.images].every(i => i.src.startsWith('data:image/png'))")
    shown = driver.find_element("css selector", "body").get_attribute("textContent")
    assert shown.count(EVIL) > 20
    assert shown.count(EVIL_IMAGE) > 15
    assert "Unfinished: 3 of 12 cells are missing" in shown
    assert driver.get_log("browser") == []


def test_the_policy_stops_what_escaping_would_let_through(driver, hostile, tmp_path):
    """Prevents the policy from being an ornament: of one slip in the escaping, nothing may run or leave the page."""
    bait = f'{EVIL}<img src="http://127.0.0.1:9/a.png"><style>body {{ display: none }}</style>'
    bait += '<p onclick="window.hacked=1" id="bait">x</p><iframe src="http://127.0.0.1:9/"></iframe>'
    slipped = tmp_path / "slipped.html"
    slipped.write_text(hostile.read_text("utf-8").replace("<main>", f"<main>{bait}"), "utf-8")
    open_page(driver, slipped)
    driver.find_element("id", "bait").click()
    driver.execute_script("fetch('http://127.0.0.1:9/b').catch(() => 0)")
    assert driver.execute_script("return window.hacked") is None
    refused = [entry["message"] for entry in driver.get_log("browser")]
    assert len(refused) >= 5
    assert all("Content Security Policy" in message for message in refused), refused


@pytest.mark.parametrize("name", ["large", "hostile"])
def test_no_request_leaves_the_page(driver, name, request):
    """Prevents a page that calls home."""
    page = request.getfixturevalue(name)
    open_page(driver, page)
    assert requests_of(driver) == [page.resolve().as_uri()]


@pytest.mark.parametrize("name", ["large", "hostile"])
def test_a_phone_need_not_scroll_sideways(driver, name, request):
    """Prevents a wide table or an unbroken word from pushing the whole page beyond the screen."""
    as_phone(driver)
    open_page(driver, request.getfixturevalue(name))
    driver.execute_script("for (const part of document.querySelectorAll('details')) part.open = true")
    width, room = driver.execute_script("return [document.documentElement.scrollWidth, window.innerWidth]")
    assert width <= room == 390
    boxes = driver.execute_script(
        "return [...document.querySelectorAll('.scroll')].map(box => [box.clientWidth, box.scrollWidth, box.tabIndex])"
    )
    assert any(inner > outer for outer, inner, _ in boxes), "nothing was wide enough to test this"
    assert all(place == 0 for _, _, place in boxes), "a box that cannot be reached by key cannot be scrolled by it"


def test_paper_shows_all_parts_whole(driver, large):
    """Prevents a printed page with folded parts, or with tables that end at the edge of the sheet."""
    open_page(driver, large)
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    sheet = {"width": 700, "height": 1000, "deviceScaleFactor": 1, "mobile": False}  # A4 within its margins
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", sheet)
    driver.execute_script("dispatchEvent(new Event('beforeprint'))")
    assert driver.execute_script("return [...document.querySelectorAll('details')].every(part => part.open)")
    assert driver.execute_script("return document.documentElement.scrollWidth") <= 700
    tables = driver.execute_script(
        "return [...document.querySelectorAll('table')].map(t => [t.offsetHeight, t.offsetWidth])"
    )
    assert len(tables) == 7
    assert all(height > 0 and 0 < width <= 700 for height, width in tables)
    assert not driver.find_element("css selector", ".hint").is_displayed()
    driver.execute_script("dispatchEvent(new Event('afterprint'))")
    assert driver.execute_script("return [...document.querySelectorAll('details')].every(part => !part.open)")
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def test_dark_and_light_can_both_be_read(driver, large):
    """Prevents dark letters on a dark ground: at least 7 to 1 between ink and paper, as WCAG asks at its strictest."""
    for scheme in ("light", "dark"):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": features})
        open_page(driver, large)
        colors = driver.execute_script("const s = getComputedStyle(document.body); return [s.color, s.backgroundColor]")
        ink, paper = sorted(map(luminance, colors))
        assert (paper + 0.05) / (ink + 0.05) >= 7
        assert (luminance(colors[1]) < 0.1) == (scheme == "dark")
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})


def luminance(color: str) -> float:
    """Return the relative luminance of ``rgb(r, g, b)``, as WCAG 2 defines it."""
    parts = [int(part) / 255 for part in color[color.index("(") + 1 : -1].split(",")[:3]]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
