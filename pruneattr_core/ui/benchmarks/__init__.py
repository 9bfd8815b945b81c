"""The page Benchmarks: stored runs, their curves and tables, the pictures behind a point."""
