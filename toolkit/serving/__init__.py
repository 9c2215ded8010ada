"""A trained classifier in the form in which other programs run it."""
