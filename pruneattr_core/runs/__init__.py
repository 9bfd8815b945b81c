"""Stored runs: one format, one reader, one way to go on after a kill, for all that computes for long."""
