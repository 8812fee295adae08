"""What a real browser makes of the page. Where none is installed, pytest says so with -ra; what
can be told without one, test_page.py tests everywhere."""

import io

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.browser

WIDTHS = [390, 1280]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_console_stays_empty_and_nothing_else_is_loaded(browser, page_of_toy, width, scheme):
    browser.open(page_of_toy, width, scheme)
    assert browser.complaints() == []
    asked = [address for address in browser.requests() if not address.startswith("data:")]
    assert asked == [page_of_toy.as_uri()]


@pytest.mark.parametrize("width", WIDTHS)
def test_every_image_is_shown_and_nothing_hangs_over_the_side(browser, page_of_toy, width):
    browser.open(page_of_toy, width)
    assert browser.value("[...document.images].every(image => image.naturalWidth > 0)")
    assert browser.value("document.documentElement.scrollWidth <= window.innerWidth")


def test_dark_is_dark_and_light_is_light(browser, page_of_toy):
    shade = {}
    for scheme in ("light", "dark"):
        browser.open(page_of_toy, 1280, scheme)
        pixels = np.asarray(Image.open(io.BytesIO(browser.screenshot(whole=False))).convert("L"))
        shade[scheme] = np.median(pixels[:300])
    assert shade["dark"] < 60
    assert shade["light"] > 240


CONTRAST = """
(() => {
  const shade = colour => {
    const parts = colour.match(/[\\d.]+/g).slice(0, 3).map(part => {
      const one = part / 255;
      return one <= 0.03928 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
  };
  const behind = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (!colour.endsWith(", 0)")) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  let least = 21;
  const read = "h1, h2, h3, p, li, td, th, code, a, caption, summary";
  for (const element of document.querySelectorAll(read)) {
    const [one, other] = [getComputedStyle(element).color, behind(element)].map(shade);
    least = Math.min(least, (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05));
  }
  return least;
})()
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_what_is_behind_it(browser, page_of_toy, scheme):
    """At least 4.5 to 1, the level AA of WCAG 2."""
    browser.open(page_of_toy, 1280, scheme)
    assert browser.value(CONTRAST) >= 4.5


def test_the_first_key_leads_past_the_contents(browser, page_of_toy):
    browser.open(page_of_toy, 1280)
    for kind in ("keyDown", "keyUp"):
        browser.ask("Input.dispatchKeyEvent", type=kind, key="Tab", windowsVirtualKeyCode=9)
    assert browser.value("document.activeElement.className") == "skip"
    assert browser.value("document.activeElement.getBoundingClientRect().left >= 0")


def test_who_listens_hears_a_name_for_every_image_and_region(browser, page_of_toy):
    browser.open(page_of_toy, 1280)
    tree = browser.ask("Accessibility.getFullAXTree")["nodes"]
    spoken = {
        role: [
            node.get("name", {}).get("value", "")
            for node in tree
            if node.get("role", {}).get("value") == role and not node["ignored"]
        ]
        for role in ("image", "region", "navigation", "main", "heading", "article")
    }
    assert all(names for role, names in spoken.items()), spoken
    assert all(
        name for role in ("image", "region", "navigation", "heading") for name in spoken[role]
    )
    assert len(spoken["main"]) == 1


def test_it_can_be_printed_with_its_recipe(browser, page_of_toy):
    browser.open(page_of_toy, 1280)
    printed = browser.pdf()
    assert printed.startswith(b"%PDF-")
    browser.ask("Emulation.setEmulatedMedia", media="print")
    assert browser.value("document.querySelector('details pre').offsetHeight") > 300
    assert browser.value("getComputedStyle(document.querySelector('nav')).display") == "none"
