"""Json that somebody else wrote: read within limits, looked through, and quoted in a sentence."""

import json
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

LONGEST = 64 << 20  # bytes; the largest tokenizers have some 35 MB
DEEPEST = 100  # objects inside objects


def read_object(path: Path) -> tuple[dict, list[str]]:
    """Return (the object that a json file holds, nothing) or ({}, [what is wrong with the file])."""
    if path.stat().st_size > LONGEST:
        return {}, [f"{path.name} has {path.stat().st_size:,} bytes, more than the {LONGEST:,} that are read"]
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except RecursionError:
        return {}, [f"{path.name} is nested too deeply"]
    except (ValueError, OSError) as error:
        return {}, [f"{path.name} cannot be read ({error})"]
    if not isinstance(found, dict):
        return {}, [f"{path.name} holds no json object"]
    return (found, []) if sum(1 for _ in _levels(found)) < DEEPEST else ({}, [f"{path.name} is nested too deeply"])


def _levels(value: dict) -> Iterator[list[tuple[str, object]]]:
    """Yield the (key, value) of nested objects, level by level; an item of a list has the list's key.

    Vocabularies, which are large, are left out.
    """
    level: list[tuple[str, object]] = [("", value)]
    while level:
        inner: list[tuple[str, object]] = []
        for key, item in level:
            if key in ("vocab", "merges"):
                continue
            if isinstance(item, dict):
                inner += item.items()
            elif isinstance(item, list):
                inner += [(key, part) for part in item]
        if inner:
            yield inner
        level = inner


def entries(value: dict) -> Iterator[tuple[str, object]]:
    """Yield the (key, value) of an object and of all that are nested in it."""
    return chain.from_iterable(_levels(value))


def short(value: object) -> str:
    """Return a value as it may stand in a sentence."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return repr(text if len(text) <= 60 else text[:57] + "...")
