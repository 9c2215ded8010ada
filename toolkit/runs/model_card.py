"""The README.md of a saved model: what it was made from, how well it does and how to use it."""

import re
from collections.abc import Mapping
from pathlib import Path

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from toolkit.base.languages import counted
from toolkit.cli.console import shown_label
from toolkit.models.locate import split_revision
from toolkit.runs.run_json import RunFacts

MAX_SHOWN = 200  # characters of a label or a path
HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*")

BODY = """# Text classifier

Fine-tuned from {model} on {rows:,} rows of {train}. {taught}{tells}

{labels}

## How well it does

On {valid_rows:,} validation rows ({valid}), which also chose the best epoch, so that an unseen set may score lower:

{scores}

{decided}## How to use it

{use}

{without_torch}

{long_texts} {vocabulary}`run.json` holds the options, the fingerprints of the data, what looked wrong with it, and the
versions of the packages.
"""

TELLS = "It tells {count} labels apart:"

TELLS_SETS = "A text may have any number of these {count} labels, of which each has a probability of its own:"

TAUGHT = """Besides their labels it learned the probabilities that {models} give them{more}. """

TRIMMED = """Of the {before:,} tokens of the pretrained model {tokens:,} are its vocabulary (`--trim_vocabulary`);
words that it does not have are split into shorter pieces. """

TRUNCATED = "Texts longer than {max_length} tokens are truncated; in training by {truncation}."

IN_WINDOWS = """The model was trained on windows of {max_length} tokens of longer texts. `test_code.py` and `infer.py`
average the logits of up to {max_windows} such windows of a text, of which each shares {stride} tokens with the one
before; `transformers.pipeline` reads the first window alone."""

PIPELINE = """```python
from transformers import pipeline

classify = pipeline("text-classification", model="path/to/this/directory", top_k=None)
print(classify({example}, truncation=True))
```"""

PART = """This directory holds only what was trained (`--train {part}`). `test_code.py` and `infer.py` take the other
weights from {base}, those with the sha256 in `run.json`; `python infer.py --model_dir THIS --merge NEW_DIR` writes a
whole model."""

PART_ELSEWHERE = """ Elsewhere:

```python
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer, pipeline

folder = "path/to/this/directory"
base = "path/to/the/base/model"
tokenizer = AutoTokenizer.from_pretrained(f"{{folder}}/tokenizer")
config = AutoConfig.from_pretrained(f"{{folder}}/tokenizer")
model = AutoModelForSequenceClassification.from_pretrained(base, config=config, ignore_mismatched_sizes=True)
weights = load_file(f"{{folder}}/trained_weights.safetensors")
{lora}model.load_state_dict(weights, strict=False)
classify = pipeline("text-classification", model=model, tokenizer=tokenizer, top_k=None)
print(classify({example}, truncation=True))
```"""

PART_WITH_HEAD = """ Its head (`{head}`) is none that transformers has: the card of the whole model
has the code that loads it elsewhere."""

OWN_HEAD = """`test_code.py` and `infer.py` load it. `transformers.pipeline` refuses to: the head (`{head}`) is
none that it has. Elsewhere:

```python
import torch
from safetensors.torch import load_file
from torch.nn.functional import gelu, linear
from transformers import AutoConfig, AutoModel, AutoTokenizer

folder = "path/to/this/directory"
config = AutoConfig.from_pretrained(f"{{folder}}/encoder_config.json")
tokenizer = AutoTokenizer.from_pretrained(folder, config=config)
encoder = AutoModel.from_pretrained(folder, config=config, use_safetensors=True).eval()
head = load_file(f"{{folder}}/model.safetensors")

inputs = tokenizer({example}, padding=True, truncation=True, return_tensors="pt")
with torch.no_grad():
    states = encoder(**inputs).last_hidden_state
{pooled}{hidden}
    scores = linear(vector, head["pooling_head.scores.weight"], head["pooling_head.scores.bias"])
print(scores.{probabilities}, config.id2label)
```"""

POOLED = {
    "cls": "    vector = states[:, 0]",
    "mean": """    is_token = inputs["attention_mask"][..., None]
    vector = (states * is_token).sum(1) / is_token.sum(1)""",
}

HIDDEN = """
    for name in {names}:
        vector = gelu(linear(vector, head[name + ".weight"], head[name + ".bias"]))"""

LORA = """for name in [name.removesuffix(".lora_A.weight") for name in weights if name.endswith(".lora_A.weight")]:
    product = {scale!r} * weights.pop(f"{{name}}.lora_B.weight") @ weights.pop(f"{{name}}.lora_A.weight")
    layer = model.get_submodule(name)
    layer.weight.data += product.T if type(layer).__name__ == "Conv1D" else product
"""

ONNX = """Without torch, once `python infer.py --model_dir THIS --export onnx` has added the folder `onnx`:

```python
import json
from pathlib import Path
import numpy as np
import onnxruntime
from tokenizers import Tokenizer

folder = "path/to/this/directory"
run = json.loads(Path(f"{{folder}}/run.json").read_text(encoding="utf-8"))
tokenizer = Tokenizer.from_file(f"{{folder}}/{tokenizer}")
tokenizer.enable_truncation(run["max_length"])
session = onnxruntime.InferenceSession(f"{{folder}}/onnx/model.onnx")
row = tokenizer.encode({example})
tokens = {{"input_ids": [row.ids], "attention_mask": [row.attention_mask], "token_type_ids": [row.type_ids]}}
names = [each.name for each in session.get_inputs()]
((logits,),) = session.run(None, {{name: np.array(tokens[name], np.int64) for name in names}})
{probabilities}
print(dict(zip(run["labels"], probabilities.tolist())))
```"""

SOFTMAX = """probabilities = np.exp(logits - logits.max())
probabilities /= probabilities.sum()"""

SIGMOID = "probabilities = 1 / (1 + np.exp(-logits))"

DECIDED = """{label} is predicted where its calibrated probability is at least {threshold:.4f}. `infer.py` does so by
itself; `transformers.pipeline` takes the more probable label.

"""

DECIDED_BY_BIAS = """The label is predicted whose logarithm of the calibrated probability is largest after a bias, which
`run.json` has for each label, is added: it need not be the most probable one. `infer.py` does so by itself;
`transformers.pipeline` takes the most probable label.

"""


DECIDED_BY_THRESHOLDS = """A label is predicted where its calibrated probability is at least {threshold}.
`infer.py` does so by itself; `transformers.pipeline` gives the probabilities alone, as they are before calibration.

"""

OWN_THRESHOLDS = "its own threshold, which `run.json` has"

NAMES = {  # of scores, by what run.json calls them; those that there are make the table
    "valid_loss": "loss",
    "accuracy": "accuracy",
    "micro_f1": "micro F1",
    "macro_f1": "macro F1",
    "sample_f1": "sample F1",
    "subset_accuracy": "subset accuracy",
    "mcc": "MCC",
}


def model_card(run: RunFacts) -> str:
    """Return the text of the card: what the hub reads in front, then what people read."""
    card = ModelCard(f"---\n{_card_data(run).to_yaml()}\n---\n\n{_body(run)}", ignore_metadata_errors=True)
    return str(card)


def _card_data(run: RunFacts) -> ModelCardData:
    """Return what the hub reads: the kind of model, what it was made from, and its scores on the validation rows."""
    base_model, _ = split_revision(run.base_model)
    is_on_the_hub = HUB_ID.fullmatch(base_model) is not None and not Path(run.base_model).exists()
    macro_f1 = run.metrics["macro_f1"]
    scores = {"Accuracy": ("accuracy", run.metrics.get("accuracy")), "Macro F1": ("f1", macro_f1)}
    if run.columns.have_label_sets:
        scores = {"Micro F1": ("f1", run.metrics["micro_f1"]), "Macro F1": ("f1", macro_f1)}
    return ModelCardData(
        base_model=base_model if is_on_the_hub else None,
        library_name="transformers" if run.head is None else None,
        pipeline_tag="text-classification",
        tags=["text-classification", "bert"],
        model_name="Text classifier",
        eval_results=[
            EvalResult(
                task_type="text-classification",
                dataset_type="validation",
                dataset_name=_shortened(Path(run.data["valid"].file).name),
                metric_type=metric,
                metric_name=name,
                metric_value=round(value, 4),
            )
            for name, (metric, value) in scores.items()
        ],
    )


def _body(run: RunFacts) -> str:
    """Return what people read."""
    metrics = run.metrics
    train = run.data["train"]
    valid = run.data["valid"]
    decided = ""
    if run.columns.have_label_sets:
        own = OWN_THRESHOLDS if "thresholds" in metrics else f"{metrics.get('threshold', 0.5):.4f}"
        decided = DECIDED_BY_THRESHOLDS.format(threshold=own)
    elif metrics.get("threshold") is not None:
        decided = DECIDED.format(label=_code(shown_label(run.positive_label)), threshold=metrics["threshold"])
    elif metrics.get("bias") is not None:
        decided = DECIDED_BY_BIAS
    return BODY.format(
        model=_code(run.base_model),
        train=_code(train.file),
        rows=train.rows,
        taught=_taught(run),
        valid=_code(valid.file),
        valid_rows=valid.rows,
        tells=(TELLS_SETS if run.columns.have_label_sets else TELLS).format(count=len(run.labels)),
        labels="\n".join(f"- {_code(shown_label(label))}" for label in run.labels),
        use=_use(run),
        without_torch=_without_torch(run),
        long_texts=_long_texts(run),
        vocabulary=_vocabulary(run),
        decided=decided,
        scores=_table({name: metrics[key] for key, name in NAMES.items() if key in metrics}),
    )


def _table(scores: Mapping[str, float]) -> str:
    """Return scores by name as a table of markdown."""
    rows = [scores, ["---"] * len(scores), [f"{value:.4f}" for value in scores.values()]]
    return "\n".join(f"| {' | '.join(row)} |" if "---" not in row else f"|{'|'.join(row)}|" for row in rows)


def _taught(run: RunFacts) -> str:
    """Return from whom the model learned besides the labels; nothing if there are no such models."""
    if not run.teachers:
        return ""
    more = ""
    if "unlabelled" in run.data:
        more = f" and {counted(run.data['unlabelled'].rows or 0, 'row')} without labels"
    return TAUGHT.format(models=counted(len(run.teachers), "earlier model"), more=more)


def _vocabulary(run: RunFacts) -> str:
    """Return what is kept of the pretrained model's vocabulary; nothing if that is all of it."""
    if run.vocabulary is None:
        return ""
    return TRIMMED.format(before=run.vocabulary.tokens_before, tokens=run.vocabulary.tokens)


def _use(run: RunFacts) -> str:
    """Return the part that tells how to use the model, with code."""
    example = '{"text": "first text", "text_pair": "second text"}' if run.pairs else '"a text"'
    if run.trained is not None:
        scale = run.trained.lora_scale
        lora = "" if scale is None else LORA.format(scale=scale)
        elsewhere = PART_ELSEWHERE.format(example=example, lora=lora)
        if run.head is not None:
            elsewhere = PART_WITH_HEAD.format(head=run.head)
        return PART.format(part=run.trained.part, base=_code(run.base_model)) + elsewhere
    if run.head is None:
        return PIPELINE.format(example=example)
    names = [f"pooling_head.hidden.{number}" for number in range(run.head.layers)]
    return OWN_HEAD.format(
        head=run.head,
        example='["first text"], ["second text"]' if run.pairs else '["a text"]',
        pooled=POOLED[run.head.pooling],
        hidden=HIDDEN.format(names=names) if names else "",
        probabilities="sigmoid()" if run.columns.have_label_sets else "softmax(1)",
    )


def _without_torch(run: RunFacts) -> str:
    """Return the part that tells how to use the model once it is exported, with code."""
    has_own_files = run.head is not None or run.trained is not None  # beside the exported model
    return ONNX.format(
        tokenizer="onnx/tokenizer.json" if has_own_files else "tokenizer.json",
        example='"first text", "second text"' if run.pairs else '"a text"',
        probabilities=SIGMOID if run.columns.have_label_sets else SOFTMAX,
    )


def _long_texts(run: RunFacts) -> str:
    """Return what becomes of long texts."""
    if run.stride is None:
        return TRUNCATED.format(max_length=run.max_length, truncation=run.truncation)
    return IN_WINDOWS.format(max_length=run.max_length, stride=run.stride, max_windows=run.max_windows)


def _shortened(text: str) -> str:
    """Return a text on one line, the beginning of one that is long."""
    flat = " ".join(text.split())
    return flat if len(flat) <= MAX_SHOWN else flat[: MAX_SHOWN - 1] + "…"


def _code(text: str) -> str:
    """Return a text as markdown code on one line, whatever backticks it holds."""
    flat = _shortened(text)
    longest_run = max((len(run) for run in re.findall("`+", flat)), default=0)
    fence = "`" * (longest_run + 1)
    if "`" in flat:
        return f"{fence} {flat} {fence}"
    return f"{fence}{flat}{fence}"
