"""Settings for all tests."""

from __future__ import annotations

import os

from hypothesis import settings

# In CI the same examples every time, so that a change fails for what it changed; elsewhere new ones are looked for.
settings.register_profile("bench", database=None, deadline=None, derandomize="CI" in os.environ)
settings.load_profile("bench")
