"""What belongs to a thread and goes along where another thread continues its work (`reentrant`)."""

from __future__ import annotations

import threading

# Grad mode, hooks for saved tensors and the like: each module that has such state adds it.
CARRIED: list[threading.local] = []
