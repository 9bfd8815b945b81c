"""The page Sanity check: layers lose their weights from the top while maps are watched."""
