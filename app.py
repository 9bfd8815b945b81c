"""The app: `streamlit run app.py`."""

from pruneattr_core.ui.opening import main

main()
