"""The pages Critical paths and Path decoding: one answer, several paths, and what each would like to see."""
