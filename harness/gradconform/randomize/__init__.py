"""Random draws of scenarios and random programs, all written against one small interface: the Chooser."""
