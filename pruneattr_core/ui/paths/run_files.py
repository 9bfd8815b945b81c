"""Runs of path analyses that come with the repository: assets/runs/paths/<name>/."""

from __future__ import annotations

from pruneattr_core.analysis.study_run import Study, read_study
from pruneattr_core.assets import ASSETS
from pruneattr_core.runs.stored import HEADER
from pruneattr_core.ui.shipped import shipped

FOLDER = ASSETS / "runs" / "paths"


def path_runs() -> dict[str, Study]:
    """Name -> run, in the order of names; a damaged one is logged and left out."""
    return shipped(FOLDER, HEADER, read_study)


def label_of(run: Study) -> str:
    """What a reader needs to judge and repeat it: n, model, data, seed, device, date."""
    header = run.header
    counts = {method["n"] for method in header["methods"].values()}
    fewer = "" if counts == {run.n} else f" (dear methods: at least {min(counts)})"
    return (
        f"n = {run.n}{fewer} pictures of {header['data']['title']}, {header['model']['title']} (weights "
        f"{header['model']['weights_sha256'][:8]}), predicted class, seed {header['config']['seed']}, "
        f"{header['device']}, {run.timing.get('date', 'no date')}; means with {header['config']['interval']}"
    )
