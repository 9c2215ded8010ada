"""Files in and out: encodings, formats, rows, tables, labels, writers; no torch here."""
