"""Korean tasks: one parser a format, one table of sets, the official metrics and honest ones."""
