"""Written by the build; see _version.py.in."""

__version__: str
