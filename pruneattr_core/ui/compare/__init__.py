"""The page Compare: several methods on several pictures, side by side."""
