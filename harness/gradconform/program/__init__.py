"""The step language: words, checked text, flattened steps, and how they are written out again."""
