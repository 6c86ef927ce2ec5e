"""Known failures: what an engine's author knows to fail, each with its smallest program, in a file that is
committed.

`entries` has the values, `read` reads a file, `replay` runs an entry's program once, `changes` compares the
entries with a run, and `write` edits the file. docs/known-failures.md is for users.
"""
