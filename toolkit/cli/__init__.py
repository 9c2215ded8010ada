"""Options, parser, console, how a script ends; no torch here."""
