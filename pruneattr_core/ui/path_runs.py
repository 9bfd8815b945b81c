"""Placeholder."""


def draw() -> None: ...
