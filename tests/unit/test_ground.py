"""What a page begins by itself follows from the computing it takes, not from who else computes."""

from __future__ import annotations

import time

import pytest

import networks
from pruneattr_core.results import paths as results


def test_waiting_is_not_taken_for_computing(monkeypatch: pytest.MonkeyPatch) -> None:
    def waits(*given: object) -> object:
        time.sleep(0.2)  # as behind another session's work
        return scored(*given)

    scored = results.contributions
    monkeypatch.setattr(results, "contributions", waits)
    began = time.thread_time()
    found = results.ground_of(networks.network("reused"), networks.inputs(1), None)
    assert found.seconds <= time.thread_time() - began  # however busy the machine is
