"""The third view: our tables of students, and beside them the paper's, labelled."""

from __future__ import annotations

import streamlit as st


def show_tables() -> None:
    """Placeholder until the runs exist."""
    st.info("Tables come with the runs.")
