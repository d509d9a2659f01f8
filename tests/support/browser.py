"""Debian's Chromium for tests: started without a window, its console and its requests kept."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest
from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.remote.webdriver import WebDriver

WAIT = 90.0
"""Seconds for a page to come up on a busy machine."""

T = TypeVar("T")


def needed(name: str) -> str:
    """The path of a program; without it the test is skipped, but fails where CI=true."""
    path = shutil.which(name)
    if path is None:
        reason = f"{name} is not installed (apt install chromium chromium-driver)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return path


@contextmanager
def chromium() -> Iterator[WebDriver]:
    """Gives a browser that is closed in the end."""
    options = Options()
    options.binary_location = needed("chromium")
    for argument in (
        "--headless=new",
        "--no-sandbox",  # tests may run as root
        "--disable-dev-shm-usage",
        "--hide-scrollbars",
        "--force-device-scale-factor=1",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(needed("chromedriver")))
    driver.set_page_load_timeout(WAIT)
    try:
        yield driver
    finally:
        driver.quit()


def show(
    driver: WebDriver, page: Path, *, width: int = 1280, height: int = 900, dark: bool = False
) -> None:
    """Opens a report from disk and waits until its charts are drawn."""
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    theme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [theme]})
    heard(driver)
    requested(driver)
    driver.get(page.resolve().as_uri())
    until("the charts are drawn", lambda: script(driver, "document.documentElement.dataset.drawn"))


def script(driver: WebDriver, expression: str, *arguments: Any) -> Any:
    """The value of a JavaScript expression."""
    return driver.execute_script(f"return {expression}", *arguments)


def until(what: str, found: Callable[[], T], seconds: float = WAIT) -> T:
    """Waits until something is found that is true; what a page replaces meanwhile is looked for again."""
    ends = time.monotonic() + seconds
    last: object = None
    while time.monotonic() < ends:
        try:
            if value := found():
                return value
        except WebDriverException as error:
            last = error
        time.sleep(0.1)
    raise AssertionError(f"not in {seconds:g} s: {what} ({last})")


def heard(driver: WebDriver) -> list[str]:
    """Warnings and errors in the browser's console since the last call."""
    return [each["message"] for each in driver.get_log("browser") if each["level"] != "INFO"]  # type: ignore[no-untyped-call]


def requested(driver: WebDriver) -> list[str]:
    """The addresses that were asked for since the last call; data: and blob: are no requests."""
    events = [json.loads(each["message"])["message"] for each in driver.get_log("performance")]  # type: ignore[no-untyped-call]
    urls = [
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    ]
    return [url for url in urls if not url.startswith(("data:", "blob:"))]
