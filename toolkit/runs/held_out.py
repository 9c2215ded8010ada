"""Which rows of a file were held out, as a text that is short enough for run.json: two bytes for every ten rows."""

import base64
import binascii
import zlib

import numpy as np


def pack_rows(held_out: np.ndarray) -> str:
    """Return which rows (N,) bool are held out: a bit a row, compressed by zlib, in base64."""
    return base64.b64encode(zlib.compress(np.packbits(held_out).tobytes(), 9)).decode()


def unpack_rows(packed: str, rows: int) -> np.ndarray:
    """Return which of so many rows (N,) bool are held out; ValueError if `packed` does not say it of so many."""
    size = -(-rows // 8)
    try:
        unpacked = zlib.decompressobj().decompress(base64.b64decode(packed, validate=True), size + 1)
    except (zlib.error, binascii.Error, ValueError, TypeError):
        raise ValueError("it does not say which rows were held out") from None
    if len(unpacked) != size:
        raise ValueError(f"it does not say which of {rows:,} rows were held out")
    return np.unpackbits(np.frombuffer(unpacked, np.uint8), count=rows).astype(bool)
