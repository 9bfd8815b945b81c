"""The page Critical paths: one answer, several paths, and what they share."""
