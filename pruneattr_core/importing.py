"""Packages that are imported only where they are used: by one thread at a time.

Python lets threads import at once, and breaks a cycle between the modules of a package by handing out one
that is half there. Two threads that enter matplotlib by different doors (Captum asks for its colours first)
both fail then, and so does every later import of it in that process: no map is drawn any more.
"""

from __future__ import annotations

from threading import RLock

#: Held while a package is imported in a function; no module of ours needs it while it is imported itself.
one_at_a_time = RLock()
