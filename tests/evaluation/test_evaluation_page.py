"""The page in a real browser, opened from the disk: everything plays, winds, and can be reached by keyboard."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import soundfile

from accomp.compose import compose
from accomp.errors import UserError
from accomp.evaluation import scores
from accomp.evaluation.settings import read

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def evaluate(model_folder, band, out, *overrides: str) -> Path:
    few = ["tracks=1", "seconds=6", "metrics=[levels]", "seeds=[0]", "clock=model", "workers=1", "stems=[bass,drums]"]
    paths = [
        f"model={model_folder}",
        f"data={{root: {band}, split: train, splits: redux, on_bad: refuse}}",
        f"out_dir={out}",
    ]
    scores.run(read(compose("evaluate", [*paths, *few, *overrides])))
    return out / "index.html"


@pytest.fixture(scope="module")
def page_file(model_folder, small_band, tmp_path_factory) -> Path:
    return evaluate(model_folder, small_band, tmp_path_factory.mktemp("page"))


@pytest.fixture(scope="module")
def browser() -> Iterator:
    sync = pytest.importorskip("playwright.sync_api", reason="pip install playwright==1.65.2")
    if CHROMIUM is None:
        pytest.skip("no browser here: apt-get install chromium")
    with sync.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
        )
        yield browser
        browser.close()


@pytest.fixture
def page(browser, page_file) -> Iterator:
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    page.set_default_timeout(120_000)
    said, asked = [], []
    page.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(page_file.as_uri())
    yield page
    page.close()
    assert said == [], "nothing to complain about"
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == [], "nothing is fetched"


def playing(page) -> list[int]:
    return page.evaluate("[...document.querySelectorAll('audio')].flatMap((a, i) => a.paused ? [] : [i])")


def test_every_player_loads_plays_and_winds(page):
    count = page.locator(".clip").count()
    assert count == 2 * (4 + 3 * 2), "two stems: truth, context, mix, codec; three regimes: alone and mixed"
    lengths = page.evaluate("""Promise.all([...document.querySelectorAll('audio')].map(audio => new Promise((done, fail) => {
        audio.addEventListener('loadedmetadata', () => done(audio.duration));
        audio.addEventListener('error', () => fail(new Error(audio.error.message)));
        audio.load()})))""")
    assert lengths == pytest.approx([6.0] * count, abs=0.15)
    page.locator(".clip button").first.click()
    page.wait_for_function("document.querySelector('audio').currentTime > 0.2")
    page.locator(".clip .wave").first.click(position={"x": 100, "y": 10})
    width = page.locator(".clip .wave").first.bounding_box()["width"]
    page.wait_for_function(f"document.querySelector('audio').currentTime >= {6 * 100 / width - 0.2}")
    page.locator(".clip button").first.click()
    assert playing(page) == []


def test_another_sound_goes_on_at_the_same_place(page):
    first, second = page.locator(".clip").nth(0), page.locator(".clip").nth(5)
    first.locator("button").click()
    first.locator(".wave").press("End")
    first.locator(".wave").press("ArrowLeft")
    first.locator(".wave").press("ArrowLeft")
    second.locator("button").click()
    page.wait_for_function("!document.querySelectorAll('audio')[5].paused")
    assert playing(page) == [5], "one at a time"
    assert page.evaluate("document.querySelectorAll('audio')[5].currentTime") > 1.5


def test_the_keyboard_alone_is_enough(page):
    page.locator("input[name=stem]").first.focus()
    page.keyboard.press("ArrowRight")
    shown = page.locator("article:visible h4").all_inner_texts()
    assert {text.lower() for text in shown} == {"bass"}, "the radio buttons follow the arrows"
    while page.evaluate("document.activeElement.tagName") != "BUTTON":
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_function("[...document.querySelectorAll('audio')].some(a => !a.paused)")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('role')") == "slider"
    page.keyboard.press("ArrowRight")
    assert float(page.evaluate("document.activeElement.getAttribute('aria-valuenow')")) >= 2
    page.keyboard.press(" ")
    page.wait_for_function("[...document.querySelectorAll('audio')].every(a => a.paused)")


def test_it_fits_a_phone(page):
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    sizes = [page.locator(".clip button").nth(i).bounding_box() for i in range(3)]
    assert all(min(size["width"], size["height"]) >= 40 for size in sizes), "large enough for a thumb"


def test_tables_and_cards_fit_a_wide_window_whole(page):
    page.set_viewport_size({"width": 1400, "height": 900})
    cut = page.locator(".numbers .scroll").evaluate_all(
        "all => all.filter(one => one.scrollWidth > one.clientWidth + 1).length"
    )
    assert cut == 0, "no table is cut off"
    for width in (1400, 800):
        page.set_viewport_size({"width": width, "height": 900})
        rows = page.locator(".grid").evaluate_all(
            "all => all.map(one => Object.values(Object.groupBy([...one.children], c => c.offsetTop)).map(r => r.length))"
        )
        assert all(len(set(counts)) == 1 for counts in rows), "no row of cards is shorter than the others"


def test_every_outline_is_on_one_scale_over_a_time_axis(page):
    marks = page.locator("article").first.locator(".axis span").all_inner_texts()
    assert marks[0] == "0" and marks[-1].endswith(" s") and 4 <= len(marks) <= 7
    heights = (
        page.locator("article")
        .first.locator("polygon")
        .evaluate_all(
            """all => all.map(one => { const ys = one.getAttribute('points').split(' ').map(p => Number(p.split(',')[1]));
        return Math.max(...ys) - Math.min(...ys) })"""
        )
    )
    assert heights[0] < max(heights), "a stem alone is lower than the mix"


def test_everything_has_a_name(page):
    names = page.locator(".clip button").evaluate_all("all => all.map(one => one.getAttribute('aria-label'))")
    assert len(set(names)) == len(names)
    assert page.locator("figure svg").count() == 1 and page.locator("tbody tr").count() > 5


def test_a_track_that_was_not_played_is_told(page_file, model_folder, small_band):
    with pytest.raises(UserError, match=r"page.track=Track09999: choose one of Track"):
        evaluate(model_folder, small_band, page_file.parent, "do=[report]", "page.track=Track09999")


def test_a_page_that_begins_after_what_was_played_is_told(page_file, model_folder, small_band):
    with pytest.raises(UserError, match=r"page.start=99 s and nothing of what was played is left"):
        evaluate(model_folder, small_band, page_file.parent, "do=[report]", "page.start=99")


def test_a_page_in_a_folder_of_its_own_has_its_sounds_beside_it(page_file, model_folder, small_band, tmp_path):
    stale = tmp_path / "sounds" / "old.mp3"
    stale.parent.mkdir()
    stale.write_bytes(b"of an earlier page")
    part = ["do=[report]", f"page.folder={tmp_path}", "page.start=2", "page.seconds=3"]
    evaluate(model_folder, small_band, page_file.parent, *part)
    html = (tmp_path / "index.html").read_text()
    sources = re.findall(r'<audio [^>]*src="([^"]+)"', html)
    assert len(sources) == len(set(sources)) == 2 * (4 + 3 * 2) and "data:audio" not in html
    assert {f"sounds/{path.name}" for path in stale.parent.iterdir()} == set(sources)
    lengths = {round(soundfile.info(tmp_path / source).duration, 1) for source in sources}
    assert lengths <= {3.0, 3.1}, "the encoder adds a little"
