"""The page in a real browser, with a recording for a microphone, against a server whose answers tell their own place."""

import base64
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from accomp.server import protocol as osc
from accomp.server.web import WebPort, bind
from accomp.timeline import SAMPLE_RATE

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PAGE = Path(__file__).parents[2] / "clients" / "web"
FAKE = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
WAIT_MS = 60_000  # a busy machine is slow

pytestmark = [pytest.mark.flaky(reruns=2), pytest.mark.skipif(CHROMIUM is None, reason="apt-get install chromium")]


class Heard:
    """In place of a recorder: the messages that the server was sent."""

    def __init__(self):
        self.messages = []

    def put(self, event, args, t):
        if event == "on_datagram" and not isinstance(message := osc.parse_request(args[0]), osc.Block):
            self.messages.append(message)

    def close(self):
        pass


@pytest.fixture(scope="module")
def song(tmp_path_factory) -> Path:
    """A minute of strokes of noise, no two of which are alike."""
    file = tmp_path_factory.mktemp("song") / "song.wav"
    noise = np.random.default_rng(0).normal(0, 0.4, 60 * SAMPLE_RATE) * np.exp(
        -6 * (np.arange(60 * SAMPLE_RATE) / SAMPLE_RATE % 0.3)
    )
    soundfile.write(file, np.convolve(noise, np.ones(8) / 4, "same").clip(-1, 1), SAMPLE_RATE)
    return file


@pytest.fixture(scope="module")
def chromium(song) -> Iterator:
    sync = pytest.importorskip("playwright.sync_api", reason="pip install playwright==1.65.2")
    with sync.sync_playwright() as playwright:
        flags = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required", *FAKE]
        flags += [f"--use-file-for-fake-audio-capture={song}%noloop"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield browser
        browser.close()


class Stage:
    """A running server with the page's port, and pages."""

    def __init__(self, kit, chromium, port: int = 0):
        self.kit, self.chromium, self.heard = kit, chromium, Heard()
        self.web = WebPort(bind("127.0.0.1", port), PAGE, "token")
        self.port = int(self.web.link.split(":")[2].split("/")[0])
        self.running = kit.RunningServer(web=self.web, recorder=self.heard)

    def open(self, **context):
        page = self.chromium.new_context(viewport={"width": 1280, "height": 900}, **context).new_page()
        page.set_default_timeout(WAIT_MS)
        self.trouble = []
        page.on("pageerror", lambda error: self.trouble.append(str(error)))
        page.on("console", lambda said: self.trouble.append(said.text) if said.type == "error" else None)
        page.goto(self.web.link)
        return page

    def play(self, page) -> None:
        see(page, "#server", "ready")
        page.click("#go")
        see(page, "#go", "Stop")


def see(page, what: str, text: str) -> None:
    page.locator(what).filter(has_text=text).wait_for(state="attached")


def count(page, name: str) -> int:
    return int(page.locator("#counts div").filter(has_text=name).locator("dd").inner_text())


def wait_until(page, what) -> None:
    end_s = time.monotonic() + WAIT_MS / 1e3
    while not what():
        assert time.monotonic() < end_s
        page.wait_for_timeout(100)


@pytest.fixture
def stage(kit, chromium) -> Iterator[Stage]:
    one = Stage(kit, chromium)
    with one.running:
        yield one
        for context in chromium.contexts:
            context.close()


def drop(page, file: Path) -> None:
    """Drop a file on the page."""
    page.evaluate(
        """([name, bytes]) => {
            const data = new DataTransfer();
            data.items.add(new File([Uint8Array.from(atob(bytes), one => one.charCodeAt(0))], name));
            document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
        }""",
        [file.name, base64.b64encode(file.read_bytes()).decode()],
    )


def download(page, kind: str, folder: Path) -> np.ndarray:
    with page.expect_download() as waiting:
        page.click(f"[data-get={kind}]")
    waiting.value.save_as(folder / kind)
    return soundfile.read(folder / kind, dtype="float32")[0]


def perform(stage: Stage, tmp_path: Path, seconds: float):
    """Play and record; what was recorded of both sides, what the server was given, and the page."""
    page = stage.open()
    page.keyboard.press("r")  # from Play on
    stage.play(page)
    page.wait_for_timeout(1000 * seconds)
    page.keyboard.press("r")
    page.wait_for_timeout(1500)
    context, answer = (download(page, kind, tmp_path) for kind in ("context", "answer"))
    pushed = np.zeros(len(context) + 10 * SAMPLE_RATE, np.float32)
    for start, samples in stage.running.streamers[-1].pushed:
        pushed[max(start, 0) : start + len(samples)] = samples[max(-start, 0) :]
    return page, context, answer, pushed


def check_places(stage: Stage, context, answer, pushed, song, seconds: float) -> None:
    """Every sample that was answered is the one of its place; the server received what the page recorded."""
    right = np.abs(answer - stage.kit.tune(np.arange(len(answer)))) < 1e-6
    silent = np.convolve(answer == 0, np.ones(64), "same") > 63
    sounding = np.convolve(silent, np.ones(2 * 1000), "same") < 0.5  # a crossfade with silence is neither
    assert right[sounding].all() and sounding.sum() > (seconds - 5) * SAMPLE_RATE
    known = pushed[: len(context)] != 0
    assert np.array_equal(context[known], pushed[: len(context)][known]) and known.sum() > (seconds - 3) * SAMPLE_RATE
    source, _ = soundfile.read(song, dtype="float32")
    part = context[SAMPLE_RATE : 2 * SAMPLE_RATE]
    match = np.fft.irfft(np.fft.rfft(source, 1 << 22) * np.conj(np.fft.rfft(part, 1 << 22)))
    at = int(match.argmax())
    assert np.corrcoef(part, source[at : at + len(part)])[0, 1] > 0.99, "unchanged by echo cancellation and the like"


def test_every_answer_is_heard_in_its_place_to_the_sample(stage, tmp_path, song):
    page, *sounds = perform(stage, tmp_path, 9)
    check_places(stage, *sounds, song, 9)
    assert stage.trouble == [] and count(page, "answered") >= 4
    page.click("#go")
    see(page, "#go", "Play")


@pytest.mark.slow
def test_half_a_minute_without_a_late_answer_or_a_gap(stage, tmp_path, song):
    page, *sounds = perform(stage, tmp_path, 30)
    check_places(stage, *sounds, song, 30)
    assert [count(page, name) for name in ("late", "dropped", "not sent", "gaps")] == [0, 0, 0, 0]


@pytest.mark.slow
def test_everything_that_can_be_pressed_is_said_to_the_server_and_answered(stage):
    page = stage.open()
    stage.play(page)
    page.fill("#sheet", "| Am7 | D7 G7 |")
    page.fill("#chord", "B♭7")
    page.fill("#bpm", "100")
    page.locator("h1").click()
    for key in ("c", "w", "m", "b", "f", "e", "l", "k", "j", "2", "t"):
        page.keyboard.press(key)
    see(page, "#message", "tap: 1 of 4")
    page.keyboard.press("Escape")
    see(page, "#message", "silence")
    page.select_option("#step", "0.125")
    for name, value in (("density", "0.5"), ("balance", "-6"), ("rest", "8")):
        page.locator(f"#{name}").fill(value)
        page.locator(f"#{name}").dispatch_event("change")
    page.press("#rest", "Enter")
    wait_until(page, lambda: osc.PredictInstruments(1, 1, 0, 0) in stage.heard.messages)  # it is said once a step
    page.keyboard.press("3")  # the guitar: no figure in a field
    wanted = [osc.Start(100.0, 4, 4), osc.Start(0.0, 0, 4), osc.Tempo(0), osc.Break(4), osc.Fill(), osc.StopPlaying(),
              osc.Lead("| Am7 | D7 G7 |"), osc.HoldChord("Bb7", 0), osc.HoldChord("-", 0), osc.Panic(), osc.Density(0.5),
              osc.Balance(-6), osc.Rest(8), osc.Tap(),
              osc.PredictInstruments(1, 1, 0, 0), osc.PredictInstruments(1, 1, 1, 0), osc.UpdateR(0.125)]  # fmt: skip
    wait_until(page, lambda: [m for m in wanted if m not in stage.heard.messages] == [])
    page.fill("#chord", "Xyz")
    page.click("#hold")
    see(page, "#message", "no chord is called 'Xyz'")
    before = count(page, "answered")
    wait_until(page, lambda: count(page, "answered") > before + 1)
    see(page, "#legend", "the model's own plan")
    assert page.inner_text("#heard") == "Am7" and page.inner_text("#tempo") == "120"
    assert page.locator("#beats i.now").count() == 1 and stage.trouble == []


def test_a_reload_and_a_second_page(stage):
    page = stage.open()
    stage.play(page)
    wait_until(page, lambda: count(page, "answered") >= 1)
    page.reload()
    stage.play(page)
    wait_until(page, lambda: count(page, "answered") >= 1)
    second = stage.open()
    see(second, "#message", "another page is playing")
    second.get_by_role("button", name="Take over").click()
    stage.play(second)
    see(page, "#message", "another page has taken over")
    wait_until(second, lambda: count(second, "answered") >= 1)


def test_a_server_that_restarts_in_mid_song_is_found_again_and_answers_in_place(kit, chromium, tmp_path):
    first = Stage(kit, chromium)
    with first.running:
        page = first.open()
        first.play(page)
        wait_until(page, lambda: count(page, "answered") >= 1)
    see(page, "#message", "no word from serve.py")
    second = Stage(kit, chromium, first.port)
    with second.running:
        see(page, "#message", "the server is back")
        before = count(page, "answered")
        wait_until(page, lambda: count(page, "answered") >= before + 2)
        assert page.inner_text("#go") == "Stop", "the music went on"
        page.context.close()


def test_a_page_that_was_frozen_goes_on_in_time(stage):
    page = stage.open()
    stage.play(page)
    wait_until(page, lambda: count(page, "answered") >= 1)
    devtools = page.context.new_cdp_session(page)
    devtools.send("Page.setWebLifecycleState", {"state": "frozen"})
    time.sleep(4)
    devtools.send("Page.setWebLifecycleState", {"state": "active"})
    before = count(page, "answered")
    wait_until(page, lambda: count(page, "answered") >= before + 2)
    assert stage.trouble == []


def test_a_file_is_played_from_its_first_sample_and_a_bad_one_is_named(stage, song, tmp_path):
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("no sound")
    page = stage.open()
    see(page, "#server", "ready")
    page.select_option("#source", "file")
    page.click("#go")
    see(page, "#message", "choose a file first")
    for name, says in (("empty.wav", "empty.wav is empty"), ("text.wav", "is no sound that this browser can read")):
        page.set_input_files("#file", tmp_path / name)
        see(page, "#message", says)
    drop(page, song)
    see(page, "#message", "song.wav: 60 s; press Play")
    page.click("#go")
    wait_until(page, lambda: stage.running.streamers and stage.running.streamers[-1].pushed)
    start, samples = stage.running.streamers[-1].pushed[0]
    source, _ = soundfile.read(song, dtype="float32")
    assert start == 0 and np.corrcoef(samples, source[: len(samples)])[0, 1] > 0.999
    assert stage.trouble == []


def test_without_a_microphone_it_says_what_to_do(kit, chromium, stage):
    browser = chromium.browser_type.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--deny-permission-prompts"])
    page = browser.new_page()
    page.goto(stage.web.link)
    see(page, "#server", "ready")
    page.click("#go")
    wait_until(page, lambda: "microphone" in page.inner_text("#message"))
    assert page.inner_text("#go") == "Play" and "drop a sound file" in page.inner_text("#message")
    browser.close()


def test_a_link_without_the_token_says_which_to_open(stage):
    page = stage.chromium.new_page()
    page.goto(stage.web.link.split("#")[0])
    see(page, "#message", "open the link that serve.py has printed")


def test_it_fits_a_phone_and_everything_has_a_name(stage):
    page = stage.open()
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 390
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll('button, input, select, textarea')].filter(one =>
        !one.textContent.trim() && !one.labels?.length && !one.ariaLabel).map(one => one.outerHTML)"""
    )
    assert unnamed == []
    sizes = [one.bounding_box() for one in page.locator("#play button").all()]
    assert all(size["height"] >= 40 for size in sizes), "large enough for a thumb"
