"""The page Explore: one picture, one method, every sparsity."""
