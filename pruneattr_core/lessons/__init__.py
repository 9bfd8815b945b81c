"""Lessons: texts that anybody can write, their figures, and a laboratory whose right answers are known."""
