"""The page Compression review: a compressed network beside its teacher, picture by picture."""
