"""The web page in headless Chromium: results while typing, and a file of 10,000 lines.

    python -m benchmarks.page ROOT FILE [QUERY]

Serves ROOT, types QUERY letter by letter and measures the time from each key to the answer to its text in the
page, hits or none; then opens FILE (a path in ROOT, of some 10,000 lines), scrolls through it, and tells how long the browser
was busy at a time. Times are of the wall.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

from tests.browser import Page, Served, start_browser, until

BETWEEN = 0.25
"""Seconds between two keys, as a person types."""
TYPED = """
window.keys = [];
let waiting = null;
document.addEventListener("input", () => { waiting = performance.now(); }, true);
new MutationObserver(() => {
  const main = document.querySelector("main.search");
  if (waiting !== null && main && main.getAttribute("aria-busy") === "false"
      && new URL(location.href).searchParams.get("q") === document.getElementById("q").value) {
    const from = waiting;
    waiting = null;
    requestAnimationFrame(() => window.keys.push(performance.now() - from));
  }
}).observe(document.body, {childList: true, subtree: true, attributes: true});
"""
SCROLL = """
const done = arguments[arguments.length - 1];
const box = document.querySelector(".viewer");
const frames = [];
let last = performance.now(), at = 0;
const step = (now) => {
  frames.push(now - last);
  last = now;
  at += arguments[0];
  box.scrollTop = at;
  if (at < box.scrollHeight) requestAnimationFrame(step); else done(frames);
};
requestAnimationFrame(step);
"""
LONG = "window.long = []; new PerformanceObserver((l) => { for (const e of l.getEntries()) window.long.push(e.duration); }).observe({type: 'longtask', buffered: true});"


def tell(name: str, times: list[float]) -> None:
    """Print the distribution of some milliseconds."""
    ordered = sorted(times)
    p = [ordered[min(len(ordered) - 1, int(share * len(ordered)))] for share in (0.5, 0.9, 0.99)]
    print(
        f"{name}: n {len(times)} p50 {p[0]:.0f} p90 {p[1]:.0f} p99 {p[2]:.0f} max {ordered[-1]:.0f} ms",
        flush=True,
    )


def main() -> None:
    """Print the measurements."""
    root, file = Path(sys.argv[1]), sys.argv[2]
    query = sys.argv[3] if len(sys.argv) > 3 else "open file"
    with tempfile.TemporaryDirectory() as home:
        served, driver = Served(root, home=Path(home)), start_browser()
        try:
            page = Page(driver, served.url)
            page.size(1280, 800)
            page.open("/search?q=warm", "main")
            until(lambda: page.js("return fetch('/api/search?q=warm&wait=60').then(r => r.status)") == 200)
            typed: list[float] = []
            for turn in range(3):
                page.open("/", "#q")
                page.js(TYPED)
                for letter in query + " " * turn:
                    page.type(letter)
                    time.sleep(BETWEEN)  # nothing is asked of the browser meanwhile
                time.sleep(1)
                typed += page.js("return window.keys")
            tell("key to results", typed)

            began = time.perf_counter()
            page.open(f"/file/{file}", ".viewer .block .gutter span")
            shown = time.perf_counter() - began
            page.js(LONG)
            lines = page.js("return document.querySelectorAll('.viewer .block').length * 100")
            until(
                lambda: page.js(
                    "return [...document.querySelectorAll('.viewer .code')].pop().textContent.length > 1"
                )
            )
            whole = time.perf_counter() - began
            print(f"{lines} lines: first lines {1000 * shown:.0f} ms, all {1000 * whole:.0f} ms")
            time.sleep(0.5)
            tell("tasks over 50 ms while it was loaded", page.js("return window.long") or [0.0])
            page.js("window.long.length = 0")
            driver.set_script_timeout(120)
            for pixels, how in ((120, "slowly"), (4_000, "fast")):
                frames = driver.execute_async_script(SCROLL, pixels)
                tell(f"frames, scrolled {how}", frames[1:])
                print(
                    f"  {statistics.mean(frames[1:]):.1f} ms a frame; tasks over 50 ms: {page.js('return window.long.length')}"
                )
        finally:
            driver.quit()
            served.stop()


if __name__ == "__main__":
    main()
