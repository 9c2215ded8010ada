"""Which file is meant, how it is packed and encoded, and the record of what is read from one; no torch here."""
