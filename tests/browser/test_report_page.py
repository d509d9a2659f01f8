"""The report, opened from disk in a real browser: it is whole, drawn, asks for nothing, and can be used."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import ActionChains, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.remote.webelement import WebElement
from support.browser import heard, requested, script, show, until
from support.study import Place

pytestmark = pytest.mark.browser

POINTS = "#chart-plane .scatterlayer path.point"
SIZES = [(390, 844), (768, 1024), (1280, 900), (1920, 1080)]


def luminance(colour: str) -> float:
    """How light a colour of the form rgb(r, g, b) is, in [0, 1]."""
    red, green, blue = (int(part) for part in re.findall(r"\d+", colour)[:3])
    return (0.2126 * red + 0.7152 * green + 0.0722 * blue) / 255


def panel(driver: WebDriver) -> str:
    return driver.find_element(By.ID, "trial-facts").text


def test_it_is_drawn_without_a_complaint_and_asks_for_nothing(
    driver: WebDriver, page: Path
) -> None:
    show(driver, page)
    assert heard(driver) == []
    assert requested(driver) == [page.resolve().as_uri()]
    charts = driver.find_elements(By.CLASS_NAME, "chart")
    names = {chart.get_attribute("id") for chart in charts}
    assert {
        "chart-answer",
        "chart-plane",
        "chart-curves-0",
        "chart-curves-1",
        "chart-search",
        "chart-seeds",
        "chart-finalists",
        "chart-importances",
        "chart-parallel",
    } == names
    for chart in charts:
        drawn = chart.find_elements(
            By.CSS_SELECTOR, ".trace, .contourlayer path, .barlayer path, .heatmaplayer image"
        )
        assert drawn, f"{chart.get_attribute('id')} is empty"
        assert chart.size["height"] > 100
        assert chart.size["width"] > 300


def test_the_verdict_is_that_of_compare(driver: WebDriver, page: Path, studied: Place) -> None:
    show(driver, page)
    said = studied.json("compare", "little")
    (verdict,) = said["verdicts"]
    assert driver.find_element(By.CSS_SELECTOR, "#answer .sentence").text == verdict["sentence"]
    assert driver.find_element(By.CSS_SELECTOR, "#answer .next").text == verdict["next"]
    held = json.loads(script(driver, "document.getElementById('data').textContent"))["compare"]
    assert held == said


def test_the_answer_is_text_that_does_not_scroll(driver: WebDriver, page: Path) -> None:
    show(driver, page, width=390)
    for name in ("sentence", "next"):
        element: WebElement | None = driver.find_element(By.CSS_SELECTOR, f"#answer .{name}")
        while element is not None and element.tag_name != "html":
            assert element.value_of_css_property("overflow-x") == "visible", element.tag_name
            element = script(driver, "arguments[0].parentElement", element)


def test_pointing_at_a_trial_shows_it_with_its_samples(driver: WebDriver, page: Path) -> None:
    show(driver, page)
    select = driver.find_element(By.ID, "d-steps")
    select.find_element(By.CSS_SELECTOR, "option[value=all]").click()
    seen = set()
    chart = driver.find_element(By.ID, "chart-plane")
    script(driver, "arguments[0].scrollIntoView({block: 'start', behavior: 'instant'})", chart)
    points = driver.find_elements(By.CSS_SELECTOR, POINTS)
    assert len(points) >= 12
    for point in points:
        ActionChains(driver).move_to_element(point).perform()
        label = until("a label", lambda: driver.find_elements(By.CSS_SELECTOR, "g.hovertext"))[0]
        title = driver.find_element(By.CSS_SELECTOR, "#trial-facts h4").text
        if title in label.text:
            seen.add(title)
    assert len(seen) >= 8, seen
    image = driver.find_element(By.CSS_SELECTOR, "#trial-facts img")
    assert until("the samples", lambda: script(driver, "arguments[0].naturalWidth", image)) > 50
    assert re.search(r"b\n[\d.e-]+\na\n[\d.e-]+\nd_steps\n[12]", panel(driver))


def test_trials_can_be_gone_through_by_keyboard(driver: WebDriver, page: Path) -> None:
    show(driver, page)
    best = panel(driver)
    button = driver.find_element(By.ID, "worse")
    button.send_keys(Keys.ENTER)
    second = panel(driver)
    assert second != best
    driver.find_element(By.ID, "better").send_keys(Keys.SPACE)
    assert panel(driver) == best
    assert not driver.find_element(By.ID, "better").is_enabled()


def test_the_first_tab_leads_to_the_answer_and_the_focus_is_seen(
    driver: WebDriver, page: Path
) -> None:
    show(driver, page)
    driver.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    link = driver.switch_to.active_element
    assert link.text == "Skip to the answer"
    assert link.location["x"] >= 0
    assert script(driver, "getComputedStyle(arguments[0]).outlineStyle", link) == "solid"


def layers(driver: WebDriver) -> list[dict[str, Any]]:
    """What is seen under the trials."""
    seen: list[dict[str, Any]] = script(
        driver,
        "document.getElementById('chart-plane').data"
        ".filter((t) => t.visible && t.meta.layer).map((t) => t.meta)",
    )
    return seen


def test_the_plane_shows_one_d_steps_and_the_surface_or_its_uncertainty(
    driver: WebDriver, page: Path
) -> None:
    show(driver, page)
    select = driver.find_element(By.ID, "d-steps")
    for value in ("1", "2"):
        select.find_element(By.CSS_SELECTOR, f"option[value='{value}']").click()
        for layer in ("error", "none", "score"):
            driver.find_element(By.CSS_SELECTOR, f"input[value={layer}]").click()
            expected = [] if layer == "none" else [{"d_steps": int(value), "layer": layer}]
            until(f"{layer} at {value}", lambda e=expected: layers(driver) == e)  # type: ignore[misc]
        shown = script(
            driver,
            "[...new Set(document.getElementById('chart-plane').data"
            ".filter((t) => t.visible && t.meta.trials).map((t) => t.meta.d_steps))]",
        )
        assert shown == [int(value)]
    assert heard(driver) == []


def test_it_follows_the_systems_colours_and_the_switch(driver: WebDriver, page: Path) -> None:
    def backgrounds() -> tuple[float, float]:
        body = driver.find_element(By.TAG_NAME, "body").value_of_css_property("background-color")
        chart = driver.find_element(By.CSS_SELECTOR, "#chart-search .main-svg")
        return luminance(body), luminance(chart.value_of_css_property("background-color"))

    show(driver, page, dark=True)
    assert max(backgrounds()) < 0.15
    driver.find_element(By.ID, "theme").click()
    until("it is light", lambda: min(backgrounds()) > 0.9)
    driver.find_element(By.ID, "theme").click()
    until("it is dark", lambda: max(backgrounds()) < 0.15)
    assert heard(driver) == []
    script(driver, "localStorage.clear()")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_nothing_is_wider_than_the_page(
    driver: WebDriver, page: Path, width: int, height: int, dark: bool
) -> None:
    show(driver, page, width=width, height=height, dark=dark)
    assert script(driver, "document.documentElement.scrollWidth") <= width
    beyond = script(
        driver,
        "[...document.querySelectorAll('main *:not(.wide *):not(svg *)')]"
        ".filter((e) => e.getBoundingClientRect().right > innerWidth + 1)"
        ".map((e) => e.outerHTML.slice(0, 80))",
    )
    assert beyond == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_captions_are_read_whole_however_far_their_table_is_scrolled(
    driver: WebDriver, page: Path, dark: bool
) -> None:
    show(driver, page, width=390, dark=dark)
    seen = (
        "[...document.querySelectorAll('.wide caption span')].map((e) => {"
        "const w = e.closest('.wide'); w.scrollLeft = arguments[0];"
        "const mine = e.getBoundingClientRect(), all = w.getBoundingClientRect();"
        "return [w.scrollLeft, mine.left - all.left, all.right - mine.right]; })"
    )
    before, after = script(driver, seen, 0), script(driver, seen, 80)
    assert max(scrolled for scrolled, *_ in after) > 40  # at least one table is wider than the page
    for _, left, right in [*before, *after]:
        assert left >= -1
        assert right >= -1


def test_who_cannot_see_it_is_told(driver: WebDriver, page: Path) -> None:
    show(driver, page)
    for tag in ("header", "main", "nav", "aside", "h1"):
        assert len(driver.find_elements(By.TAG_NAME, tag)) == 1, tag
    for table in driver.find_elements(By.TAG_NAME, "table"):
        assert table.find_element(By.TAG_NAME, "caption").text
        assert table.find_elements(By.CSS_SELECTOR, "thead th[scope=col]")
        for line in table.find_elements(By.CSS_SELECTOR, "tbody tr"):
            assert line.find_elements(By.CSS_SELECTOR, "th[scope=row]")
    for image in driver.find_elements(By.TAG_NAME, "img"):
        assert image.get_attribute("alt")
    for chart in driver.find_elements(By.CLASS_NAME, "chart"):
        assert len(chart.get_attribute("aria-label") or "") > 30
    levels = [int(e.tag_name[1]) for e in driver.find_elements(By.CSS_SELECTOR, "h1, h2, h3, h4")]
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert script(driver, "document.documentElement.lang") == "en"
