"""The README.md of a saved model: what it was made from, how well it does and how to use it."""

import json
import re
from pathlib import Path

from toolkit.runs.run_facts import RunFacts

LONGEST = 200  # characters of a label or a path that are shown
HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*")

TEMPLATE = """---
pipeline_tag: text-classification
library_name: transformers
{base}tags:
- text-classification
- bert
---

# Text classifier

Fine-tuned from {model} on {rows:,} rows of {train}. It tells {count} labels apart:

{labels}

## How well it does

On {valid_rows:,} validation rows ({valid}), which also chose the best epoch, so that an unseen set may score lower:

| loss | accuracy | macro F1 | MCC |
|---|---|---|---|
| {valid_loss:.4f} | {accuracy:.4f} | {macro_f1:.4f} | {mcc:.4f} |

{decided}## How to use it

```python
from transformers import pipeline

classify = pipeline("text-classification", model="path/to/this/directory", top_k=None)
print(classify({example}, truncation=True))
```

Texts longer than {max_length} tokens are truncated; in training by {truncation}. `run.json` holds the options, the
fingerprints of the data, what looked wrong with it, and the versions of the packages.
"""

DECIDED = """{label} is predicted where its calibrated probability is at least {threshold:.4f}. `infer.py` does so by
itself; `transformers.pipeline` takes the more probable label.

"""


def model_card(run: RunFacts) -> str:
    """Return the text of the card, from the content of run.json."""
    metrics, hub_id = run.metrics, run.base_model
    threshold = metrics.get("threshold")
    pair = run.pairs
    return TEMPLATE.format(
        base=f"base_model: {json.dumps(hub_id)}\n" if HUB_ID.fullmatch(hub_id) and not Path(hub_id).exists() else "",
        model=_code(hub_id),
        train=_code(run.data["train"]["file"]),
        rows=run.data["train"]["rows"],
        valid=_code(run.data["valid"]["file"]),
        valid_rows=run.data["valid"]["rows"],
        count=len(run.labels),
        labels="\n".join(f"- {_code(label)}" for label in run.labels),
        example='{"text": "first text", "text_pair": "second text"}' if pair else '"a text"',
        max_length=run.max_length,
        decided="" if threshold is None else DECIDED.format(label=_code(run.positive_label), threshold=threshold),
        truncation=run.truncation,
        **{name: metrics[name] for name in ("valid_loss", "accuracy", "macro_f1", "mcc")},
    )


def _code(text: str) -> str:
    """Return text as markdown code on one line, whatever backticks it holds; the beginning of one that is long."""
    flat = " ".join(text.split())
    flat = flat if len(flat) <= LONGEST else flat[: LONGEST - 1] + "…"
    fence = "`" * (max((len(run) for run in "".join(c if c == "`" else " " for c in flat).split()), default=0) + 1)
    return f"{fence}{flat}{fence}" if "`" not in flat else f"{fence} {flat} {fence}"
