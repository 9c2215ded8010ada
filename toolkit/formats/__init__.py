"""From a file to records: csv, txt, json, xlsx, parquet and others, recognised and read; no torch here."""
