"""A real browser for the tests of the web page: headless Chromium through selenium, and a served corpus."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

T = TypeVar("T")
PATIENCE = 60.0
"""Seconds until a condition must hold; on an idle machine each does within one."""


def chromium() -> tuple[str, str]:
    """Paths of Chromium and its driver; skips the test where one is missing."""
    names = ("chromium", "chromium-browser", "google-chrome")
    browser = next((path for name in names if (path := shutil.which(name))), None)
    driver = shutil.which("chromedriver")
    if browser is None or driver is None:
        pytest.skip("chromium or chromedriver is not installed (apt-get install chromium chromium-driver)")
    return browser, driver


def start_browser() -> Any:
    """A driver of a headless browser."""
    browser, driver = chromium()
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for flag in (
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
        "--force-color-profile=srgb", "--lang=en",
    ):  # fmt: skip
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(driver)
    return webdriver.Chrome(options=options, service=service)


class Served:
    """``spelunk serve`` over folders, in a process of its own."""

    def __init__(self, *roots: Path, home: Path, flags: tuple[str, ...] = (), token: str = "") -> None:
        environment = os.environ | {"SPELUNK_HOME": str(home)}
        environment.pop("SPELUNK_TOKEN", None)
        if token:
            environment["SPELUNK_TOKEN"] = token
        command = [sys.executable, "-m", "spelunk", "serve", "--port", "0", "--rate", "0", *flags]
        self.process = subprocess.Popen(
            [*command, *map(str, roots)], stderr=subprocess.PIPE, text=True, env=environment
        )
        assert self.process.stderr is not None
        self.url = ""
        for line in self.process.stderr:
            if found := re.search(r"http://[\w.:]+", line):
                self.url = found[0].rstrip("/")
                break
        self._drain = threading.Thread(target=self.process.stderr.read, daemon=True)
        self._drain.start()

    def stop(self) -> None:
        """End the process."""
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._drain.join(10)
        if self.process.stderr:
            self.process.stderr.close()


def until(condition: Callable[[], T], what: str = "") -> T:
    """The first true value of a condition; elements that go away meanwhile are looked up again.

    Raises:
        AssertionError: It does not become true.
    """
    from selenium.common.exceptions import (
        ElementNotInteractableException,
        NoSuchElementException,
        StaleElementReferenceException,
    )

    end = time.monotonic() + PATIENCE
    while True:
        try:
            value = condition()
        except (NoSuchElementException, StaleElementReferenceException, ElementNotInteractableException):
            value = None  # type: ignore[assignment]
        if value:
            return value
        assert time.monotonic() < end, what or "the condition did not become true"
        time.sleep(0.02)


class Page:
    """What a person does with the page and sees of it."""

    def __init__(self, driver: Any, url: str) -> None:
        self.driver = driver
        self.url = url

    def open(self, path: str, ready: str = "main:not([aria-busy=true])") -> None:
        """Load an address and wait for an element."""
        self.driver.get(self.url + path)
        self.wait(ready)

    def all(self, selector: str) -> list[Any]:
        """Elements."""
        return list(self.driver.find_elements("css selector", selector))

    def one(self, selector: str) -> Any:
        """An element."""
        return self.driver.find_element("css selector", selector)

    def wait(self, selector: str) -> Any:
        """An element, once it is there."""
        return until(lambda: self.one(selector), f"no {selector} at {self.driver.current_url}")

    def texts(self, selector: str) -> list[str]:
        """Texts of the elements, in one look."""
        return list(
            self.js("return [...document.querySelectorAll(arguments[0])].map(e => e.textContent)", selector)
        )

    def click(self, selector: str) -> None:
        """Click, once it is there."""
        until(lambda: [self.one(selector).click()], f"cannot click {selector}")

    def js(self, script: str, *args: Any) -> Any:
        """The value of a script."""
        return self.driver.execute_script(script, *args)

    def key(self, *keys: str) -> None:
        """Press keys wherever the focus is."""
        from selenium.webdriver import ActionChains

        ActionChains(self.driver).send_keys(*keys).perform()

    def type(self, text: str) -> None:
        """Type into the query."""
        self.one("#q").send_keys(text)

    @property
    def query(self) -> str:
        """The text of the query."""
        return str(self.one("#q").get_property("value"))

    @property
    def path(self) -> str:
        """The address without the server."""
        return str(self.js("return location.pathname + location.search + location.hash"))

    def size(self, width: int, height: int) -> None:
        """Set the size of the window."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def prefer(self, scheme: str) -> None:
        """Set the system's theme."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
