"""The site in a real browser: no page is too long to find one's way in, none scrolls sideways on a phone."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.browser import PROGRAM, Browser

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(PROGRAM is None, reason="no Chromium on the path (Debian: apt-get install chromium)"),
]
ROOT = Path(__file__).parents[1]
TALLEST = 8000
SIZES = {"desktop": (1400, 900), "phone": (390, 844)}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    for module in ("furo", "myst_parser", "numpydoc", "sphinx", "sphinx_design"):
        pytest.importorskip(module)
    out = tmp_path_factory.mktemp("site")
    build = [sys.executable, "-m", "sphinx", "--fail-on-warning", "--keep-going", "--quiet", "docs", str(out)]
    subprocess.run(build, cwd=ROOT, check=True)
    return out


@pytest.mark.timeout(600)
def test_pages_fit(site, tmp_path):
    pages = [page for page in site.rglob("*.html") if "_static" not in page.parts]
    assert len(pages) > 100  # each class and function of the reference has one
    browser, wrong = Browser(tmp_path), []
    for page in pages:
        for size, (width, height) in SIZES.items():
            browser.show(page, width, height, phone=size == "phone")
            tall, wide = browser.ask("[document.documentElement.scrollHeight, document.documentElement.scrollWidth]")
            if wide > width or (size == "desktop" and tall > TALLEST):
                wrong.append((page.name, size, wide, tall))
    browser.close()
    assert wrong == []
