"""The version, for the package's metadata and for what is written into files."""

VERSION = "0.1.0"
