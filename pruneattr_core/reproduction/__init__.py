"""The papers' figures beside ours, claim by claim, with a verdict that follows from the numbers."""
