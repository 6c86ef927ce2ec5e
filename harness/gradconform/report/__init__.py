"""What a person reads: one failure that explains itself, and the table of a whole run."""
