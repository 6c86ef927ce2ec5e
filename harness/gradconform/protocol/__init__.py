"""Engines in processes of their own, in any language: JSON documents, one a line, over pipes.

`docs/protocol.md` tells it to who writes a worker.
"""
