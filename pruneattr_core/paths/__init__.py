"""Choosing the neurons that stay: -> Path."""
