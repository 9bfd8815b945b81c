"""A seeded random walk through the app, pressing what a person presses, also while things compute.

After every step: no error and no exception on the page, none in the console, no traceback in the server's
log; once the explorer has computed everything, its headline and the cards below it say the same, as do the
files that a page offers, see `tests.browser.taken`; a reload, or another tab at the same address, shows the
same view.

    python -m tests.browser.walker --steps 2000 --seed 1
"""

from __future__ import annotations

import argparse
import io
import random
import re
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from PIL import Image
from playwright.sync_api import Browser, Error, Locator, Page, TimeoutError, WebSocket
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from perf.serving import faults
from tests.browser.says import SAYS, disagreement
from tests.browser.serving import Served, browsing, complaints
from tests.browser.taken import denials, locked

#: Titles of bundled models that answer quickly on a busy machine, and the one that needs longer.
QUICK = ("SceneNet on shape scenes", "ResNet-8 on CIFAR-10", "Network A on marked scenes")
SLOW = ("EfficientNet-Lite0 on ImageNet",)
#: Milliseconds for one press: what a run has just replaced may be gone, then nothing was pressed.
PRESS = 30_000
#: Milliseconds for an option of an open box, which a run may have closed.
OPEN = 3_000
#: Kinds of control that are looked for on a page before a step counts as missed.
_TRIES = 8
#: Buttons that are no part of a walk: files (see `_take_away`), and what covers the frame around all pages.
_BUTTONS = re.compile(
    r"^(?!.*(help for|save|download|file|full ?screen|copy|python|figure|cite|export|print|report|compute"
    r"|start|enlarge)).",
    re.I | re.S,
)
#: Seconds for a result. A machine with load is slow, so this only ends a walk that stands still.
PATIENCE = 240.0
#: Seconds until the part of a page that is asked for must have begun to run, which the page says then.
DROPPED = 10.0


class Fault(AssertionError):
    """What a person would notice."""


class Nothing(TimeoutError):
    """A page has no control of a kind."""


def reason(error: TimeoutError) -> str:
    """What was to be pressed and what was in the way, of Playwright's long story."""
    told = dict.fromkeys(line.strip(" -") for line in str(error).splitlines())
    telling = re.compile(r"resolved to|intercepts|outside|is not|detached|has none")
    return "; ".join(line for line in told if telling.search(line))[:400] or next(iter(told), "")


class Walker:
    """One walk; `walk` raises `Fault` at the first thing that is wrong, with the way that led there."""

    def __init__(
        self,
        browser: Browser,
        served: Served,
        seed: int,
        models: Sequence[str] = QUICK,
        files: bool = False,
    ) -> None:
        """See the module.

        Args:
            browser: Chromium.
            served: the app; what its log says before the walk is not counted.
            seed: of the choices.
            models: titles to choose from.
            files: whether every page's files are read and opened, too; else the explorer's arrays alone.
        """
        self.served, self.models, self.files, self.random = served, models, files, random.Random(seed)
        self.way: list[str] = []
        self.missed = 0
        self._context = browser.new_context(
            viewport={"width": 1366, "height": 768}, reduced_motion="reduce", accept_downloads=True
        )
        self._logged = len(served.said())
        self._asked = 0.0
        self._open(served.url)

    def close(self) -> None:
        """Close the window."""
        self._context.close()

    def walk(self, steps: int, tell: Callable[[str], object] = lambda _: None) -> None:
        """Take so many steps; each is told before it is taken.

        Raises:
            Fault: something is wrong after a step.
        """
        actions: list[tuple[int, Callable[[], str]]] = [
            (3, self.other_page), (3, self._option("Picture")), (3, self._option("Class to explain")),
            (2, self._model), (2, self._answer), (5, self._radio), (3, self._preset), (3, self._key),
            (2, self._back), (1, self._forward), (2, self.reload), (1, self._second_tab), (1, self._upload),
            (2, self._explorer), (3, self._button), (2, self._point),
        ]  # fmt: skip
        self._look("open")
        for step in range(steps):
            patient = self.random.random() < 0.7
            try:
                done = self._act(actions)
            except TimeoutError as error:
                self.missed += 1
                done = f"nothing to press: {reason(error)}"
            self.way.append(f"{step}: {done} -> {self.page.url.removeprefix(self.served.url)}")
            tell(self.way[-1])
            self._look(done, patient)
            if patient and (self._on_explorer() or self.files):
                self._take_away(done)
        if self.missed > max(2, steps // 3):
            raise self._fault(f"{self.missed} of {steps} times there was nothing to press")

    def _act(self, actions: Sequence[tuple[int, Callable[[], str]]]) -> str:
        """Do one thing that this page has, and say what.

        Raises:
            TimeoutError: there is nothing, or what there was is gone.
        """
        for _ in range(_TRIES):
            act = self.random.choices([one for _, one in actions], [weight for weight, _ in actions])[0]
            with suppress(Nothing):
                return act()
        raise Nothing("this page has none")

    def _fault(self, text: str) -> Fault:
        way = "\n  ".join(self.way[-25:])
        return Fault(f"{text}\nat {self.page.url}\nThe way there:\n  {way}")

    def _open(self, url: str) -> None:
        self.page: Page = self._context.new_page()
        self.page.set_default_timeout(PRESS)
        self.page.on("websocket", self._listen)
        self._wrong = complaints(self.page, self.served.url)
        # In place of the empty page, or going back would leave the app.
        self.page.evaluate("url => location.replace(url)", url)
        self.page.wait_for_url(f"{self.served.url}/**", timeout=1000 * PATIENCE, wait_until="commit")

    def _listen(self, line: WebSocket) -> None:
        """Note until when to wait for a run that the page has asked for: its state says so only later."""

        def sent(frame: str | bytes) -> None:
            said = BackMsg.FromString(frame) if isinstance(frame, bytes) else BackMsg()
            if said.WhichOneof("type") == "rerun_script":
                # A part of a page that has been left meanwhile is dropped by Streamlit without a word.
                self._asked = time.monotonic() + (DROPPED if said.rerun_script.fragment_id else PATIENCE)

        def received(frame: str | bytes) -> None:
            said = ForwardMsg.FromString(frame) if isinstance(frame, bytes) else ForwardMsg()
            if said.WhichOneof("type") == "script_finished":
                self._asked = 0.0

        line.on("framesent", sent)
        line.on("framereceived", received)
        line.on("close", lambda _: setattr(self, "_asked", 0.0))

    def _look(self, done: str, patient: bool = True, before: Sequence[str] = ()) -> list[str]:
        """Check what is on the screen; patient: when it is all there. What is chosen and said there then.

        Args:
            done: what led there.
            patient: whether to wait until all is there.
            before: what must be chosen and said there in the end; more may have been computed meanwhile.
        """
        end, found = time.monotonic() + PATIENCE, "nothing was drawn"
        while time.monotonic() < end:
            if self._wrong:
                raise self._fault(f"{done}: {self._wrong}")
            try:
                now = self.page.evaluate(SAYS)
            except Error:  # the page is just being replaced
                time.sleep(0.1)
                continue
            said = faults(self.served.said()[self._logged :])
            if now["errors"] or now["body"] or said:
                raise self._fault(f"{done}: {now['errors']} {now['body']}\n{said}")
            if not patient:
                return []
            now["asked"] = self._asked > time.monotonic()
            now["quiet"] = now["quiet"] and not now["asked"]
            wrong = disagreement(now) if self._on_explorer() else ""
            found = wrong or found
            drawn = self.page.locator("[data-testid=stMain] :is(h1, h2, h3, [data-testid=stAlert])").count()
            if now["quiet"] and not wrong and drawn:
                says = [now["sentence"], now["reading"], *now["place"]]
                if set(before) <= set(says):
                    return says
                found = f"{before} became {says}"
            time.sleep(0.15)
        raise self._fault(f"{done}: {found}; at last {now}")

    def _take_away(self, done: str) -> None:
        """Check that what the page gives away says what it shows, once the hand's last word has left it."""
        end, wrong = time.monotonic() + PATIENCE, "no file"
        while wrong and time.monotonic() < end:
            self._look(done)
            try:
                wrong = denials(self.page, lambda: self.page.evaluate(SAYS), 1000 * PATIENCE, self.files)
            except TimeoutError as error:
                wrong = f"a file never came: {error}"
        if wrong:
            raise self._fault(f"{done}: {wrong}")

    def _on_explorer(self) -> bool:
        return self.page.url.removeprefix(self.served.url).split("?")[0] in ("", "/")

    def _one_of(self, found: Locator) -> Locator:
        """One that is on the screen, once it has come.

        Raises:
            Nothing: there is none on this page, or it is locked.
        """
        end = time.monotonic() + PRESS / 1000
        while not found.count():
            if self._stands() or time.monotonic() > end:
                raise Nothing("this page has none")
            time.sleep(0.05)
        chosen = found.nth(self.random.randrange(max(1, found.count())))
        if locked(chosen):
            raise Nothing("it is locked")
        return chosen

    def _stands(self) -> bool:
        """Whether the page is all there, and nothing more will come."""
        try:
            return bool(self.page.evaluate(SAYS)["quiet"]) and self._asked <= time.monotonic()
        except Error:  # it is just being replaced
            return False

    def _menu(self) -> Locator:
        """The sidebar; a lesson folds it, then what is in it lies beside the screen and cannot be pressed."""
        unfold = self.page.get_by_test_id("stExpandSidebarButton")
        with suppress(TimeoutError):  # a run has just opened it
            if unfold.is_visible():
                unfold.click(timeout=OPEN)
        return self.page.get_by_test_id("stSidebar")

    def other_page(self) -> str:
        """Go to a page of the menu; which one."""
        link = self._one_of(self._menu().get_by_test_id("stSidebarNavLink"))
        name = link.inner_text().split("\n")[-1]
        link.click()
        return f"page {name}"

    def _explorer(self) -> str:
        self._menu().get_by_test_id("stSidebarNavLink").first.click()
        return "the first page"

    def _option(self, label: str) -> Callable[[], str]:
        def act() -> str:
            strip = self._menu().get_by_role("button", name="Next picture")
            if label == "Picture" and strip.count():
                strip.first.click()
                return "next picture"
            box = self.page.get_by_role("combobox", name=re.compile(rf"(^|\W){label}$"))
            self._one_of(box).click()
            option = self._one_of(self.page.get_by_role("option"))
            name = option.inner_text(timeout=OPEN)
            option.click(timeout=OPEN)
            return f"{label}: {name}"

        return act

    def _model(self) -> str:
        box = self._one_of(self._menu().get_by_role("combobox", name=re.compile(r"\bModel$")))
        title = self.random.choice(self.models)
        box.click()
        box.press_sequentially(title)
        self.page.get_by_role("option", name=title, exact=True).click()
        return f"model {title}"

    def _answer(self) -> str:
        button = self._one_of(
            self._menu()
            .get_by_test_id("stSidebarUserContent")
            .get_by_role("button", name=re.compile(r" · [01]\.\d\d$"))
        )
        name = button.inner_text()
        button.click()
        return f"answer {name}"

    def _radio(self) -> str:
        radio = self._one_of(self.page.get_by_test_id("stMain").get_by_role("radio").locator("visible=true"))
        name = radio.inner_text() or radio.get_attribute("aria-label") or ""
        radio.click()
        return f"choice {name}"

    def _button(self) -> str:
        buttons = self.page.get_by_test_id("stMain").get_by_role("button", name=_BUTTONS, disabled=False)
        button = self._one_of(buttons.locator("visible=true"))
        name = button.get_attribute("aria-label") or button.inner_text()
        button.click(timeout=OPEN)
        return f"button {' '.join(name.split())}"

    def _point(self) -> str:
        chart = self._one_of(self.page.locator("[data-ready] :is(.curve, .chart):visible"))
        at, (width, height) = self.random.random(), chart.evaluate("c => [c.clientWidth, c.clientHeight]")
        chart.click(position={"x": at * width, "y": height / 2}, timeout=OPEN)
        return f"point at {at:.2f} of the curve"

    def _preset(self) -> str:
        button = self._one_of(self.page.locator(".scrubber[data-ready] .marks button:visible"))
        name = button.inner_text()
        button.click()
        return f"preset {name}"

    def _key(self) -> str:
        slider = self._one_of(
            self.page.get_by_test_id("stMain").get_by_role("slider").locator("visible=true")
        )
        key = self.random.choice(("Home", "End", "PageUp", "PageDown", "ArrowLeft", "ArrowRight"))
        slider.press(key)
        return f"key {key}"

    def _back(self) -> str:
        self.page.go_back(timeout=1000 * PATIENCE, wait_until="commit")
        return "back"

    def _forward(self) -> str:
        self.page.go_forward(timeout=1000 * PATIENCE, wait_until="commit")
        return "forward"

    def reload(self) -> str:
        """Reload the page, which must show the same."""
        return self._same("reload", lambda: self.page.reload(timeout=1000 * PATIENCE))

    def _second_tab(self) -> str:
        former = self.page

        def act() -> None:
            self._open(former.url)
            former.close()

        return self._same("another tab", act)

    def _same(self, name: str, act: Callable[[], object]) -> str:
        """Do what must not change what is on the screen."""
        # What plays by itself says where it is at its end; how far it has come until then is in no address.
        self.page.locator(".play[aria-pressed=true]").first.wait_for(state="hidden", timeout=1000 * PATIENCE)
        # When the hand has let go of a slider its timer runs for 150 ms, then the address says where it is.
        self.page.evaluate("() => new Promise(done => setTimeout(done, 200))")
        before = self._look(f"before {name}")
        act()
        self._look(name, before=before)
        return name

    def _upload(self) -> str:
        colour = tuple(self.random.randrange(256) for _ in range(3))
        data = io.BytesIO()
        Image.new("RGB", (140, 130), colour).save(data, "PNG")
        name = f"picture {colour[0]}.png"
        self._menu().get_by_test_id("stFileUploaderDropzoneInput").last.set_input_files(
            {"name": name, "mimeType": "image/png", "buffer": data.getvalue()}
        )
        return f"upload {name}"


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--slow", action="store_true", help="also models that need seconds for an answer")
    options = parser.parse_args()
    with browsing() as (served, browser):
        walker = Walker(browser, served, options.seed, QUICK + (SLOW if options.slow else ()), files=True)
        try:
            walker.walk(options.steps, lambda text: print(text, flush=True))
        except Fault as fault:
            sys.exit(f"FAULT: {fault}")
        print(f"{options.steps} steps, seed {options.seed}: no fault; {walker.missed} found nothing to press")


if __name__ == "__main__":
    main()
