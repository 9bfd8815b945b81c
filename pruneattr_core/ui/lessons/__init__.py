"""The page Lessons: cards, steps on the real pages, presenter view, a class that follows its teacher."""
