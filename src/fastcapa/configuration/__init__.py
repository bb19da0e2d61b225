"""The configuration file of `fastcapa capture`, under its command line, and where each value comes from."""
