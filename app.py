"""The app: `streamlit run app.py`."""

from pruneattr_core.ui.shell import main

main()
