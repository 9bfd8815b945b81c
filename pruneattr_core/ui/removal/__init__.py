"""The page Pixel removal: pixels go by relevance while the answer is watched."""
