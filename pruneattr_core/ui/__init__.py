"""The app around the library: the only folder of the core that imports Streamlit."""
