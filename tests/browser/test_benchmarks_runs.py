"""Shipped runs in a real browser: which compare and which do not, checked anew, and runs from elsewhere."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from playwright.sync_api import Page, TimeoutError, expect

from pruneattr_core.benchmarks.run import read_run

RUNS = Path(__file__).resolve().parents[2] / "assets" / "runs" / "bench"
CURVES = ".js-plotly-plot .main-svg"


def test_a_shipped_curve_is_computed_again(page: Page, app_url: str) -> None:
    run = read_run(RUNS / "scenes-pixels")
    count, points = min(16, run.plan.n), len(run.plan.x) * len(run.plan.measures)
    mean = run.of("PruneGrad", "lerf")[-1, :count].mean()  # the last point, 0.1, is shown
    page.goto(f"{app_url}/benchmarks?bench_run=scenes-pixels")
    page.get_by_role("button", name=f"Compute PruneGrad again on {count} pictures").click()
    expect(page.get_by_test_id("stAlertContentSuccess")).to_contain_text(
        f"PruneGrad, at 0.1, LeRF, mean over {count} pictures: stored {mean:.6f}"
    )
    expect(
        page.get_by_text(re.compile(rf"All {points * count:,} numbers (are the stored ones|agree within)"))
    ).to_be_visible()


def test_runs_of_two_protocols_are_not_drawn_together(page: Page, app_url: str, settled) -> None:
    page.goto(f"{app_url}/benchmarks?bench_run=resnet8-pixels-value,resnet8-pixels-magnitude")
    expect(page.locator(CURVES).first).to_be_visible()
    settled(page)
    warning = page.get_by_test_id("stAlertContentWarning")
    expect(warning).to_contain_text("is not drawn: its protocol is not that of")
    expect(warning.get_by_role("listitem")).to_have_text(
        ["order of the pixels: magnitude order, against signed order"]
    )
    expect(page.locator(".behind select option")).to_have_count(11)  # the first run's methods alone


def test_two_networks_of_one_protocol_are_drawn_together(
    page: Page, app_url: str, settled: Callable[[Page], None], artefacts: Path
) -> None:
    page.goto(f"{app_url}/benchmarks?bench_run=scenes-pixels,resnet8-pixels-value")
    expect(page.locator(CURVES).first).to_be_visible()
    settled(page)
    expect(page.get_by_test_id("stAlertContentWarning")).to_have_count(0)
    expect(page.locator(".behind[data-ready]")).to_be_visible()
    for network in ("SceneNet on shape scenes", "ResNet-8 on CIFAR-10"):
        option = page.locator(".behind select option")
        expect(option.filter(has_text=re.compile(f"^PruneGrad · {network}$"))).to_have_count(1)
        expect(page.locator(".legendtext", has_text=network).first).to_be_attached()
    page.screenshot(path=artefacts / "benchmarks-two-networks.png", full_page=True)


def packed(change: Callable[[dict[str, bytes]], None]) -> bytes:
    folder = RUNS / "scenes-sanity-released"
    files = {
        file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()
    }
    change(files)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, data in files.items():
            zipped.writestr(name, data)
    return out.getvalue()


def tampered(files: dict[str, bytes]) -> None:
    files["values.npy"] = files["values.npy"][:-1] + b"\x00"


def bomb(files: dict[str, bytes]) -> None:
    files["values.npy"] = bytes(64 << 20)


def of_schema(schema: str) -> Callable[[dict[str, bytes]], None]:
    def change(files: dict[str, bytes]) -> None:
        files["header.json"] = json.dumps(json.loads(files["header.json"]) | {"schema": schema}).encode()

    return change


def test_runs_from_elsewhere_are_refused_in_a_sentence_or_shown(page: Page, app_url: str, settled) -> None:
    page.goto(f"{app_url}/benchmarks?bench=calibrate&bench_run=scenes-calibrate")
    expect(page.locator(CURVES).first).to_be_visible()
    settled(page)  # what is opened while the page is being built is closed by what comes
    page.get_by_role("button", name="Import a run").click()
    box = page.locator("[data-testid=stPopoverBody] input[type=file]")
    for data, sentence in (
        (packed(tampered), "was changed after it was made: values.npy does not have the hash"),
        (packed(bomb), "unpacks to more than a run may have"),
        (
            packed(of_schema("pruneattr-run/99")),
            "schema 99, this version reads schema 2: a newer PruneAttr wrote it",
        ),
        (packed(of_schema("else/1")), "Expected a header of schema pruneattr-run/2, got 'else/1'"),
        (b"PK\x03\x04 evil", "This is no zip file we can read"),
    ):
        said = page.get_by_test_id("stPopoverBody").get_by_text(sentence)
        for _ in range(3):  # every import begins with a box of its own; one just put up may be replaced
            settled(page)
            box.set_input_files({"name": "run.zip", "mimeType": "application/zip", "buffer": data})
            with suppress(TimeoutError):
                said.wait_for(timeout=60_000)
                break
        expect(said).to_be_visible()
    settled(page)
    box.set_input_files(
        [str(file) for file in (RUNS / "scenes-sanity-released").rglob("*") if file.is_file()]
    )
    expect(page.get_by_text("Schema and hashes are right")).to_be_visible()
    expect(page.get_by_text("SceneNet on shape scenes · Shape scenes (generated)").first).to_be_visible()
