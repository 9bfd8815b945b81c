"""The page Reproduction."""
