"""What a page begins by itself follows from the computing it takes, not from who else computes."""

from __future__ import annotations

import time

import pytest

import networks
from pruneattr_core.ui.paths import results


def test_waiting_is_not_taken_for_computing(monkeypatch: pytest.MonkeyPatch) -> None:
    def waits(*given: object) -> object:
        time.sleep(0.4)  # as behind another session's work
        return scored(*given)

    scored = results.contributions
    monkeypatch.setattr(results, "contributions", waits)
    assert results.ground_of(networks.network("reused"), networks.inputs(1), None).seconds < 0.4
