"""The web page in real headless Chromium, served by ``spelunk serve``; and its files."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from tests.browser import Page, Served, start_browser, until

BUDGET = 60 * 1024
"""Bytes of all files of the page under gzip."""

STATIC = Path(str(resources.files("spelunk.adapters.http"))) / "static"
slow = pytest.mark.slow

HOSTILE = (
    '</span><script>window.pwned = 1</script><img src=x onerror="window.pwned = 2"> &lt;b&gt; hostile_marker'
)
FILES = {
    "src/writer.py": (
        "class Writer:\n"
        '    """Collects rows."""\n\n'
        "    def flush_batches(self, batches):\n"
        '        """Flush all batches to the disk."""\n'
        + "".join(f"        self.step_{i}(batches)\n" for i in range(60))
        + "        return batches\n\n"
        "    def close(self):\n"
        "        self.flush_batches([])\n"
    ),
    "src/cache.go": "package cache\n\n// FlushBatches flushes batches.\nfunc FlushBatches(n int) int {\n\treturn n\n}\n",
    "tests/test_writer.py": "def test_flush_batches():\n    assert flush_batches(1) == 2\n",
    "docs/guide.md": "# Guide\n\nHow batches are flushed.\n\n## Retries\n\nErrors are retried.\n",
    "src/big.py": "".join(
        f"def big_{i}(value):\n" + "".join(f'    value += {j}  # line "{j}"\n' for j in range(19))
        for i in range(500)
    ),
    'src/<img src=x onerror="window.pwned=3">.py': f"# {HOSTILE}\ndef hostile_name(): pass\n",
    "src/javascript:alert(1) #?&%41.py": f"HOSTILE = '''{HOSTILE}'''\n",
    "src/\u202egpj.exe.py": "def right_to_left_hostile(): pass\n",
}


def test_all_files_of_the_page_are_small() -> None:
    files = [path for path in STATIC.rglob("*") if path.is_file()]
    sizes = {path.name: len(gzip.compress(path.read_bytes(), 9)) for path in files}

    assert "index.html" in sizes and "app.js" in sizes
    assert sum(sizes.values()) <= BUDGET, sizes


def test_the_page_needs_nothing_from_elsewhere_and_has_nothing_inline() -> None:
    page = (STATIC / "index.html").read_text()

    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=|(?:src|href)=\"(?!/assets/)", page)
    for path in (STATIC / "assets").rglob("*.js"):
        source = path.read_text()
        assert (
            not re.search(r"\beval\(|new Function|dangerouslySetInnerHTML(?!\")\s*[=:]", source)
            or "vendor" in path.parts
        )
        for name in re.findall(r'(?:from|import)\s*\(?"([^"]+)"', source):
            assert (path.parent / name).is_file(), f"{path.name} imports {name}"
        if "vendor" not in path.parts:
            assert not re.search(
                r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|https?://", source
            ), path.name
    for name in re.findall(r'="/(assets/[^"]+)"', page):
        assert (STATIC / name).is_file()


def test_code_of_others_comes_with_its_licences() -> None:
    licences = (STATIC / "assets/vendor/LICENSES.txt").read_text()

    for path in (STATIC / "assets/vendor").glob("*.js"):
        assert re.search(
            rf"^{re.escape(path.name)}[ ,]|, {re.escape(path.name)} |\b{re.escape(path.name)}\b", licences
        )


@pytest.fixture(scope="module")
def driver() -> Iterator[Any]:
    made = start_browser()
    yield made
    made.quit()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    root = tmp_path_factory.mktemp("corpus") / "project"
    for path, content in FILES.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content, encoding="utf-8")
    server = Served(root, home=tmp_path_factory.mktemp("home"))
    yield server
    server.stop()


@pytest.fixture
def page(driver: Any, served: Served) -> Page:
    page = Page(driver, served.url)
    page.size(1280, 800)
    page.prefer("light")
    driver.get(served.url + "/healthz")
    page.js("localStorage.clear()")
    driver.get_log("browser")
    return page


def results(page: Page, q: str) -> None:
    page.open(f"/search?q={q}", "[data-hit]")


@slow
def test_typing_shows_results_and_the_address_follows(page: Page) -> None:
    page.open("/")
    page.type("flush batches")

    until(lambda: "src/writer.py" in page.texts(".file h2"))
    until(lambda: page.path == "/search?q=flush+batches")
    assert "flush" in [text.lower() for text in page.texts("mark")]
    assert page.driver.title == "flush batches · search"


@slow
def test_results_never_vanish_while_someone_types_on(page: Page) -> None:
    results(page, "flush")
    page.js(
        "window.empty = 0; new MutationObserver(() => {"
        " if (!document.querySelector('[data-hit]')) window.empty += 1; })"
        ".observe(document.body, {childList: true, subtree: true});"
    )
    page.type(" batches")

    until(lambda: page.one("main").get_attribute("aria-busy") == "false" and "batches" in page.path)
    until(lambda: "batches" in " ".join(page.texts("mark")).lower())
    assert page.js("return window.empty") == 0


@slow
def test_a_request_that_is_no_longer_wanted_is_aborted(page: Page) -> None:
    page.open("/")
    page.js(
        "window.asked = []; const real = window.fetch;"
        "window.fetch = (url, options) => { if (url.startsWith('/api/search'))"
        " window.asked.push(options.signal); return real(url, options); };"
    )
    for letter in "flush":
        before = page.js("return window.asked.length")
        page.type(letter)
        until(lambda n=before: page.js("return window.asked.length") > n)

    page.wait("[data-hit]")
    aborted = page.js("return window.asked.map(signal => signal.aborted)")
    assert aborted[-1] is False
    assert all(aborted[:-1])


@slow
def test_keys_move_over_the_results_and_open_one(page: Page) -> None:
    from selenium.webdriver.common.keys import Keys

    results(page, "flush+batches")
    page.key("/")
    assert page.js("return document.activeElement.id") == "q"
    page.key(Keys.ARROW_DOWN)
    first = page.js("return document.activeElement.getAttribute('href')")
    page.key(Keys.ARROW_DOWN)
    second = page.js("return document.activeElement.getAttribute('href')")
    assert first and second and first != second
    page.key("k")
    assert page.js("return document.activeElement.getAttribute('href')") == first
    page.key("j", Keys.ENTER)

    page.wait(".viewer .block")
    assert page.path == second
    page.key(Keys.ESCAPE)
    page.wait("[data-hit]")
    assert page.path.startswith("/search?q=flush+batches")
    page.js("document.activeElement.blur()")
    page.key(Keys.CONTROL, "k")
    until(lambda: page.js("return document.activeElement.id") == "q")
    page.key(Keys.NULL, Keys.ESCAPE)
    until(lambda: page.js("return document.activeElement.id") != "q")


@slow
def test_the_address_is_the_state(page: Page) -> None:
    results(page, "flush")
    page.click(".facets a[data-value=go]")
    until(lambda: page.query == "flush lang:go")
    until(lambda: page.texts(".file h2") == ["src/cache.go"])
    page.driver.back()
    until(lambda: page.query == "flush" and len(page.texts(".file h2")) > 1)
    page.driver.forward()
    until(lambda: page.query == "flush lang:go" and page.texts(".file h2") == ["src/cache.go"])
    page.driver.refresh()
    until(lambda: page.query == "flush lang:go" and page.texts(".file h2") == ["src/cache.go"])


@slow
def test_facets_edit_the_text_of_the_query(page: Page) -> None:
    results(page, "flush+batches")

    page.click("section[aria-label='Part of the tree'] a[data-value=test]")
    until(lambda: page.query == "flush batches is:test")
    until(lambda: page.texts(".file h2") == ["tests/test_writer.py"])
    page.click(".chip[aria-label='Remove is:test']")
    until(lambda: page.query == "flush batches")
    until(lambda: page.all("a[aria-label='Exclude python']"))
    page.js("document.querySelector(\"a[aria-label='Exclude python']\").click()")
    until(lambda: page.query == "flush batches -lang:python")
    until(lambda: page.texts(".file h2") and not any(t.endswith(".py") for t in page.texts(".file h2")))


@slow
def test_tests_are_folded(page: Page) -> None:
    results(page, "flush+batches")
    assert "tests/test_writer.py" not in page.texts(".file h2")

    page.click(".tests .fold")

    until(lambda: "tests/test_writer.py" in page.texts(".file h2"))
    assert page.one(".tests .fold").get_attribute("aria-expanded") == "true"


@slow
def test_an_error_in_the_query_is_explained_at_its_column(page: Page) -> None:
    page.open("/search?q=flush+lang%3Apythn", ".problem")

    assert "Unknown language 'pythn'" in page.one(".problem-text").text
    assert page.one(".pointer mark").text == "p"
    assert "column 12" in page.one(".pointer").text
    page.click(".problem .button")
    until(lambda: page.query == "flush lang:python")
    page.wait("[data-hit]")


@slow
def test_help_lists_the_language_and_fills_in_an_example(page: Page) -> None:
    from selenium.webdriver.common.keys import Keys

    results(page, "flush")
    page.js("document.activeElement.blur()")
    page.key("?")
    page.wait("dialog[open]")
    page.key(Keys.ESCAPE)
    until(lambda: not page.all("dialog[open]"))
    page.click("button[aria-label='Query help']")
    page.wait("dialog[open]")
    page.js("[...document.querySelectorAll('.example')].find(e => e.textContent === 'is:test').click()")
    until(lambda: page.query == "is:test")
    until(lambda: page.texts(".file h2") == ["tests/test_writer.py"])


@slow
def test_a_file_marks_the_cited_lines_and_follows_its_outline(page: Page) -> None:
    page.open("/file/src/writer.py?q=flush#L4-L6", ".viewer .block .gutter span")
    until(lambda: page.one(".cited").is_displayed())
    rows = page.js(
        "return [parseInt(document.querySelector('.cited').style.top), parseInt(document.querySelector('.cited').style.height)]"
    )
    assert rows == [60, 60]
    assert page.texts(".outline bdi") == ["Writer", "flush_batches", "close"]
    assert "flush" in page.texts(".viewer mark")

    page.js("document.querySelector('.viewer').scrollTop = 600")
    until(lambda: [t for t in page.texts(".scopes button") if "class Writer" in t])
    assert any("def flush_batches" in text for text in page.texts(".scopes button"))
    page.js("[...document.querySelectorAll('.outline a')].find(e => e.textContent.includes('close')).click()")
    until(lambda: page.path.endswith("#L68"))
    page.key("p")
    until(lambda: not page.path.endswith("#L68"))


@slow
def test_y_makes_a_permalink_and_a_click_cites_lines(page: Page) -> None:
    page.driver.execute_cdp_cmd(
        "Browser.grantPermissions", {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}
    )
    page.open("/file/src/writer.py", ".viewer .block .gutter span")
    page.js(
        "const gutter = document.querySelector('.gutter'), y = gutter.getBoundingClientRect().top;"
        "for (const [line, shiftKey] of [[3, false], [5, true]]) gutter.dispatchEvent("
        "new MouseEvent('click', {bubbles: true, shiftKey, clientY: y + 20 * (line - 1) + 5}));"
    )
    until(lambda: page.path == "/file/src/writer.py#L3-L5")
    page.key("y")
    until(lambda: re.fullmatch(r"/file/src/writer\.py\?gen=\d+(&rev=\w+)?#L3-L5", page.path))
    until(lambda: "permalink" in page.one(".file-bar .pill").text)
    page.click("button[aria-label='Copy path and lines']")
    until(lambda: page.one("#toast").text == "Copied src/writer.py:3-5")
    page.open("/file/src/writer.py?gen=999", ".viewer .block")
    assert "linked at generation 999" in page.one(".file-bar .pill.warn").text


@slow
def test_ten_thousand_lines_are_all_there_and_few_are_elements(page: Page) -> None:
    page.open("/file/src/big.py", ".viewer .block .gutter span")
    count = "return document.querySelectorAll('.viewer *').length"
    text = "return [...document.querySelectorAll('.viewer .code')].map(e => e.textContent).join('').split('\\n').length - 1"
    until(
        lambda: (
            page.js(text) == 10_000
            and "value += 18"
            in page.js("return [...document.querySelectorAll('.viewer .code')].pop().textContent")
        )
    )
    assert page.js("return document.querySelectorAll('.viewer .block').length") == 100
    assert page.js(count) < 40_000  # all lines as elements are more than 100,000

    page.js("document.querySelector('.viewer').scrollTop = 1e7")
    until(
        lambda: page.js(
            "return [...document.querySelectorAll('.block')].pop().querySelector('.code span') !== null"
        )
    )
    assert page.js(count) < 60_000
    page.open("/file/src/big.py#L9981", ".viewer .block")
    until(
        lambda: page.js(
            "const v = document.querySelector('.viewer'); return v.scrollTop < 9980 * 20 && v.scrollTop + v.clientHeight > 9981 * 20"
        )
    )


@slow
def test_status_is_live_and_starts_an_update(page: Page) -> None:
    page.open("/status", ".card")
    until(lambda: page.one(".status-head .pill").text == "live")
    assert page.one("[role=meter]").get_attribute("aria-valuetext")
    assert "project" in page.texts(".card h2")
    before = page.js("return performance.now()")
    page.js(
        "window.states = new Set(); new MutationObserver(() => {"
        " for (const e of document.querySelectorAll('.card header .pill')) window.states.add(e.textContent); })"
        ".observe(document.body, {childList: true, subtree: true, characterData: true});"
    )
    page.click(".card header .button")

    until(lambda: "Last update done" in page.one(".status").text)
    until(lambda: page.texts(".card header .pill") == ["current"])
    assert before >= 0


@slow
def test_the_treemap_shows_matches_and_leads_into_them(page: Page) -> None:
    page.open("/map", ".tile.folder")
    assert not page.all(".tile.d1, .tile.d6")
    page.one("#q").send_keys("flush batches")
    until(lambda: page.path == "/map?q=flush+batches")
    until(lambda: page.all(".is-file.d1, .is-file.d2, .is-file.d3, .is-file.d4, .is-file.d5, .is-file.d6"))
    unmatched = page.one(".tile[data-path='src/big.py']").get_attribute("class")
    assert "d0" in unmatched.split()
    page.js('document.querySelector(".tile.folder[data-path=src]").click()')
    until(lambda: page.path == "/map?path=src&q=flush+batches")
    until(lambda: page.texts(".crumbs b") == ["src"])
    page.js("document.querySelector(\".is-file[data-path='src/writer.py']\").click()")
    page.wait(".viewer .block")
    assert page.path == "/file/src/writer.py?q=flush+batches"


@slow
def test_dark_and_light_follow_the_system_and_the_switch(page: Page) -> None:
    background = "return getComputedStyle(document.body).backgroundColor"
    page.open("/")
    light = page.js(background)
    page.prefer("dark")
    dark = page.js(background)
    assert light != dark
    page.click("#theme")  # light, whatever the system says
    assert page.js(background) == light
    page.driver.refresh()
    page.wait("#theme")
    assert page.js(background) == light
    page.prefer("light")
    page.click("#theme")
    assert page.js(background) == dark


@slow
@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/search?q=flush+batches",
        "/search?q=lang%3Apythn",
        "/file/src/writer.py?q=flush#L4-L6",
        "/map?q=flush",
        "/status",
        "/symbol?symbol=src%2Fwriter.py:4",
    ],
)
def test_nothing_is_wider_than_a_small_phone(page: Page, path: str) -> None:
    page.size(360, 740)
    page.open(path)
    until(lambda: page.all("[data-hit], .viewer .block, .tile, .card, .problem, .middle .line"))

    assert page.js("return document.documentElement.scrollWidth") <= 360
    assert page.js("return document.getElementById('q').getBoundingClientRect().right") <= 360


@slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("path", "ready"),
    [
        ("/", ".card"), ("/search?q=flush+batches", "[data-hit]"), ("/search?q=lang%3Apythn", ".problem"),
        ("/search?q=no_such_word_zzz+lang%3Ago", ".results"), ("/file/src/writer.py?q=flush#L4-L6", ".viewer .block .gutter span"),
        ("/map", ".tile"), ("/map?q=flush", ".tile"), ("/status", ".card"), ("/related?path=src%2Fwriter.py&line=4", "[data-hit]"),
        ("/symbol?symbol=src%2Fwriter.py:4&trail=close%40src%2Fwriter.py:68", ".middle .line"),
    ],
)  # fmt: skip
def test_axe_finds_nothing(page: Page, path: str, ready: str, scheme: str) -> None:
    page.prefer(scheme)
    page.open(path, ready)
    for fold in page.all(".tests .fold"):
        fold.click()

    assert axe(page) == []


@slow
def test_axe_finds_nothing_in_the_help(page: Page) -> None:
    page.open("/")
    page.click("button[aria-label='Query help']")
    page.wait("dialog[open]")

    assert axe(page) == []


def axe(page: Page) -> list[tuple[str, list[str]]]:
    """What axe-core (tests/fixtures/web, MPL-2.0) finds: rule and places."""
    source = gzip.decompress((Path(__file__).parent / "fixtures/web/axe.min.js.gz").read_bytes()).decode()
    page.js(source + ";window.axe = axe")
    page.driver.set_script_timeout(120)
    found = page.driver.execute_async_script(
        "const done = arguments[arguments.length - 1]; window.axe.run(document, {resultTypes: ['violations']})"
        ".then(r => done(r.violations.map(v => [v.id, v.nodes.map(n => n.html.slice(0, 160) + ' ' + n.failureSummary.slice(0, 300))])))"
    )
    return [tuple(entry) for entry in found]


@slow
def test_names_and_contents_of_files_are_only_ever_text(page: Page) -> None:
    results(page, "hostile_marker")
    shown = " ".join(page.texts(".file h2"))
    assert '<img src=x onerror="window.pwned=3">.py' in shown
    assert "javascript:alert(1) #?&%41.py" in shown
    assert "<script>window.pwned = 1</script>" in " ".join(page.texts(".src"))
    addresses = page.js(
        "return [...document.querySelectorAll('[data-hit]')].map(a => a.getAttribute('href'))"
    )
    for address in addresses:
        assert address.startswith("/file/src/")
        if "gpj" in address:
            continue
        page.open(address, ".viewer .block .gutter span")
        assert "<script>window.pwned = 1</script>" in page.one(".viewer").text
        assert page.all(".problem") == []
    page.open("/map?q=hostile_marker", ".tile")
    page.open("/search?q=%3Cimg+src%3Dx+onerror%3Dwindow.pwned%3D4%3E+%22%3Cscript%3E", ".results")
    page.open("/file/%3Cimg%20src=x%20onerror=window.pwned=5%3E", ".problem")
    page.open("/related?path=%3Cscript%3Ewindow.pwned%3D6%3C/script%3E&line=1", ".problem")

    assert page.js("return window.pwned") is None
    assert page.js("return document.querySelectorAll('img, iframe, object, main script').length") == 0
    log = [entry["message"] for entry in page.driver.get_log("browser")]
    assert not [line for line in log if "Content Security Policy" in line or "TypeError" in line]


@slow
def test_no_view_breaks_the_policy_or_throws(page: Page) -> None:
    for path, ready in (
        ("/", ".tile"),
        ("/search?q=flush", "[data-hit]"),
        ("/file/src/writer.py#L3", ".block"),
        ("/map?q=flush", ".tile"),
        ("/status", ".card"),
    ):
        page.open(path, ready)

    assert [entry["message"] for entry in page.driver.get_log("browser") if entry["level"] == "SEVERE"] == []


@slow
def test_a_server_with_a_token_asks_for_it(driver: Any, tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "project/a.py").write_text("def flush_batches(): pass\n")
    server = Served(tmp_path / "project", home=tmp_path / "home", token="a-long-secret-token")
    try:
        page = Page(driver, server.url)
        page.open("/search?q=flush", ".token")
        page.one(".token input").send_keys("wrong")
        page.click(".token button")
        page.wait(".narrow .problem")
        page.one(".token input").clear()
        page.one(".token input").send_keys("a-long-secret-token")
        page.click(".token button")
        page.wait("[data-hit]")
    finally:
        server.stop()


@slow
def test_callers_source_and_callees_of_a_symbol_with_the_way_in_the_address(page: Page) -> None:
    page.open("/file/src/writer.py#L69", ".viewer .block")
    page.click("a[href^='/symbol?']")
    until(lambda: page.texts(".middle h1 bdi")[:1] == ["Writer.close"])
    until(lambda: page.texts(".calls:last-child .call") == ["Writer.flush_batches"])
    until(lambda: any("self.flush_batches([])" in text for text in page.texts(".middle .line .src")))

    page.click(".calls:last-child a.call")
    until(lambda: page.texts(".middle h1 bdi")[:1] == ["Writer.flush_batches"])
    assert page.texts(".trail a") == ["Writer.close"]
    assert "trail=Writer.close%40src%2Fwriter.py%3A" in page.path
    until(lambda: "Writer.close" in page.texts(".calls:first-child .call"))
    left, middle, right = (
        page.one(selector).location["x"]
        for selector in (".calls:first-child", ".middle", ".calls:last-child")
    )
    assert left < middle < right

    page.driver.refresh()
    until(lambda: page.texts(".trail a") == ["Writer.close"])
    page.driver.back()
    until(lambda: page.texts(".middle h1 bdi")[:1] == ["Writer.close"] and not page.texts(".trail a"))
    page.open("/symbol?symbol=nothing_like_it%3Cscript%3E", ".middle p")
    assert "Nothing has this name" in " ".join(page.texts(".middle p"))
    page.open("/symbol?symbol=nowhere.py:3", ".problem")
    assert not page.js("return window.pwned")
