"""Running programs on engines: what comes out is a trace, and nothing of the engine's own."""
