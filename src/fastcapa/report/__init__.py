"""The report as a file: at the end of a run, and while it goes on."""
