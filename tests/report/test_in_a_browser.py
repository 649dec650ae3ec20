"""The report in a real browser: wide, narrow, dark, on paper, by keyboard."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from test_report import held_out_of, history_of
from tiny_benchmark import tiny_benchmark

from nnstruct.predictors import evaluate
from nnstruct.report import provenance_of, write_report

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--hide-scrollbars", "--force-device-scale-factor=1",
)  # fmt: skip


def opened(folder):
    """A browser with an empty profile, or why there is none."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    driver = shutil.which("chromedriver")
    if browser is None or driver is None:
        pytest.skip("there is no Chromium with its chromedriver")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for flag in (*FLAGS, f"--user-data-dir={folder}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))


def searched(bench, asked):
    """A history whose trials are structures of the benchmark."""
    history = history_of(bench, asked)
    return history.assign(fingerprint=[bench.fingerprints[i % len(bench)] for i in range(len(history))])


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("browser")
    bench = tiny_benchmark(folder / "bench")
    return write_report(
        folder / "report.html", bench,
        evaluation=evaluate(["mean", "bayesian-ridge"], bench, repeats=1, resamples=20),
        held_out=held_out_of(bench), history=searched(bench, 5), unguided=searched(bench, 4),
        structures=dict(zip(bench.fingerprints, bench.structures, strict=True)),
        steps=[("Drew structures", 1.0)], commands=[("Look:", "nnstruct show " + 40 * "long-name/")],
        provenance=provenance_of(bench, seed=0, command="nnstruct report " + 40 * "long-name/"),
    )  # fmt: skip


@pytest.fixture(scope="module")
def browser(report, tmp_path_factory):
    driver = opened(tmp_path_factory.mktemp("profile"))
    driver.get(report.as_uri())
    yield driver
    driver.quit()


def sized(browser, width, height=900):
    settings = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", settings)


def media(browser, scheme="light", kind="screen"):
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": kind, "features": features})


CONTRASTS = """
const light = text => { const c = text.match(/[\\d.]+/g).slice(0, 3).map(v => v / 255)
  .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * c[0] + 0.7152 * c[1] + 0.0722 * c[2]; };
const ground = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
  if (!/, 0\\)$/.test(c)) return c; } return getComputedStyle(document.body).backgroundColor; };
return [...document.querySelectorAll('main *')].filter(e => !e.closest('svg') && !e.closest('[popover]')
  && [...e.childNodes].some(n => n.nodeType == 3 && n.data.trim())).map(e => {
  const [a, b] = [light(getComputedStyle(e).color), light(ground(e))].sort((x, y) => y - x);
  return [(a + 0.05) / (b + 0.05), e.tagName + ': ' + e.textContent.slice(0, 40)]; });
"""


def test_nothing_is_wrong_with_the_page(browser):
    assert browser.get_log("browser") == []
    loaded = browser.execute_script("return performance.getEntriesByType('resource').map(e => e.name)")
    assert [name for name in loaded if not name.startswith("data:")] == []


@pytest.mark.parametrize("width", [1280, 400, 320])
def test_the_page_fits_its_width_and_plots_stay_legible(browser, width):
    sized(browser, width)
    media(browser)
    inner, page = browser.execute_script(
        "return [document.documentElement.clientWidth, document.documentElement.scrollWidth]"
    )
    assert page <= inner == width
    # Letters of 8.5 points at least: the plots' smallest, by how far the page shrinks them.
    scales = browser.execute_script(
        "return [...document.querySelectorAll('.pair svg, .one svg')]"
        ".map(e => e.getBoundingClientRect().width / e.viewBox.baseVal.width)"
    )
    assert scales
    assert min(scales) * 8.5 >= (8 if width >= 400 else 6)


def test_the_dark_form_is_dark_and_both_are_legible(browser):
    sized(browser, 1280)
    grounds = {}
    for scheme in ("light", "dark"):
        media(browser, scheme)
        found = browser.execute_script(CONTRASTS)
        assert len(found) > 40
        low = [(round(value, 2), where) for value, where in found if value < 4.5]
        assert low == [], scheme
        colour = "return getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)"
        grounds[scheme] = np.mean(browser.execute_script(colour))
        plotted = "document.querySelector('.pair svg [style*=\"fill: var(--ink)\"]')"
        fill = browser.execute_script(f"return getComputedStyle({plotted}).fill.match(/\\d+/g).map(Number)")
        assert (np.mean(fill) > 128) == (scheme == "dark"), "the plots' text follows"
    assert grounds["dark"] < 60 < 200 < grounds["light"]


def test_on_paper_the_table_has_all_its_columns(browser):
    media(browser, "dark", "print")
    sized(browser, 703)  # A4 less its margins, at 96 pixels an inch
    rights = "return [...document.querySelectorAll('th, td')].map(e => e.getBoundingClientRect().right)"
    cells = browser.execute_script(rights)
    assert len(cells) > 10
    assert max(cells) <= 703
    assert (
        browser.execute_script("return getComputedStyle(document.body).backgroundColor")
        == "rgb(255, 255, 255)"
    )
    assert len(browser.print_page()) > 10_000
    media(browser)


def test_a_structure_opens_large_by_the_keyboard_and_closes(browser):
    from selenium.webdriver.common.keys import Keys

    sized(browser, 1280)
    reached = set()
    for _ in range(18):
        browser.switch_to.active_element.send_keys(Keys.TAB)
        now = "const e = document.activeElement; return e.getAttribute('popovertarget') || e.className"
        reached.add(browser.execute_script(now))
    assert "wide" in reached
    for group, count in (("net-", 6), ("guided-", 3), ("unguided-", 3)):  # the searches' best, side by side
        assert sum(name.startswith(group) for name in reached) == count
    net = browser.find_element("css selector", "button.net")
    large = browser.find_element("css selector", "[popover]")
    assert not large.is_displayed()
    net.send_keys(Keys.ENTER)
    assert large.is_displayed()
    drawing = large.find_element("css selector", "svg, img")
    assert drawing.size["width"] > 2 * net.size["width"]
    browser.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert not large.is_displayed()
