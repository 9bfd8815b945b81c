"""Subcommands of `python -m pruneattr_core`; each module has `add_arguments(parser)` and `run(arguments)`."""
