"""The report in a real browser: it loads without complaints, fits a desktop and a phone, sorts, enlarges and prints."""

import pytest

from lstmsim.run import main
from tests.browser import PROGRAM, Browser

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(PROGRAM is None, reason="no Chromium on the path (Debian: apt-get install chromium)"),
]

SIZES = {"desktop": (1280, 900), "phone": (390, 844)}
SMALL = "--set final_test=30 --set window=20 --max-sequences 200 --trials 3 --lanes 1 --quiet --out"
SHOWN = "[...document.querySelectorAll('#paper tbody tr')].map(row => row.cells[{}].dataset.sort)"
# WCAG 2.1: relative luminance of both colours; the page's backgrounds are opaque from `body` on.
CONTRAST = """(() => {
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (c) => [0.2126, 0.7152, 0.0722].reduce((sum, share, i) => {
    const v = c[i] / 255;
    return sum + share * (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  }, 0);
  const behind = (e) => {
    while (e) {
      const c = numbers(getComputedStyle(e).backgroundColor);
      if (c.length < 4 || c[3] === 1) return c;
      e = e.parentElement;
    }
    return [255, 255, 255];
  };
  let least = [99, ""];
  for (const e of document.querySelectorAll("body *")) {
    if (![...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim())) continue;
    if (["SCRIPT", "STYLE"].includes(e.tagName)) continue;
    const [a, b] = [light(numbers(getComputedStyle(e).color)), light(behind(e))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < least[0]) least = [ratio, e.outerHTML.slice(0, 80)];
  }
  return least;
})()"""


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    out = tmp_path_factory.mktemp("page") / "small"
    assert main(["4-1", "5", *f"--set T=20 {SMALL} {out}".split()]) == 0
    return out / "report.html"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    browser = Browser(tmp_path_factory.mktemp("browser"))
    yield browser
    browser.close()


@pytest.mark.parametrize("size", SIZES)
def test_the_page_renders_without_complaints(report, browser, size, tmp_path):
    browser.errors.clear()
    browser.show(report, *SIZES[size], phone=size == "phone")
    assert browser.ask("innerWidth") == SIZES[size][0]
    assert browser.ask("document.documentElement.scrollWidth") <= SIZES[size][0], "the page itself must not scroll sideways"
    assert browser.ask(
        "[...document.images].every(i => i.naturalWidth > 100 && i.alt && i.getBoundingClientRect().width > 100)"
    )
    assert browser.ask("document.images.length") >= 6
    browser.picture(tmp_path / f"{size}.png")
    assert (tmp_path / f"{size}.png").stat().st_size > 50_000
    assert browser.errors == []


def test_a_click_on_a_heading_sorts_and_another_turns_the_order(report, browser):
    browser.show(report, *SIZES["desktop"])
    assert browser.ask(SHOWN.format(0)) == ["1", "2"]
    rank = "document.querySelectorAll('#paper thead tr:last-child button')[0].click()"
    browser.ask(rank)
    browser.ask(rank)
    assert browser.ask(SHOWN.format(0)) == ["2", "1"]
    assert browser.ask("document.querySelector('#paper [aria-sort]').getAttribute('aria-sort')") == "descending"


@pytest.mark.parametrize("size", SIZES)
def test_pictures_enlarge_and_close(report, browser, size):
    browser.show(report, *SIZES[size], phone=size == "phone")
    before = browser.ask("document.querySelector('.row button.zoom img').getBoundingClientRect().width")
    browser.ask("document.querySelector('.row button.zoom').click()")
    assert browser.ask("document.querySelector('dialog').open")
    assert browser.ask("document.querySelector('dialog img').getBoundingClientRect().width") > before
    assert browser.ask("document.querySelector('dialog').getBoundingClientRect().width") <= SIZES[size][0]
    browser.ask("document.querySelector('dialog').click()")
    assert not browser.ask("document.querySelector('dialog').open")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_background(report, browser, scheme):
    browser.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    browser.show(report, *SIZES["desktop"])
    ratio, where = browser.ask(CONTRAST)
    browser.send("Emulation.setEmulatedMedia", features=[])
    assert ratio >= 4.5, where


def test_the_page_prints(report, browser):
    browser.show(report, *SIZES["desktop"])
    browser.send("Emulation.setEmulatedMedia", media="print")
    hidden = browser.ask("getComputedStyle(document.querySelector('nav')).display")
    folded = browser.ask("getComputedStyle(document.querySelector('.row')).contentVisibility")
    browser.send("Emulation.setEmulatedMedia", media="")
    assert (hidden, folded) == ("none", "visible")
    assert browser.printed().startswith(b"%PDF")
