import ast

import pytest
from huggingface_hub.repocard_data import model_index_to_eval_results

from tests.conftest import run_facts
from toolkit.runs.model_card import model_card

RUN = {
    "base_model": "hfl/chinese-bert-wwm",
    "labels": ["差评", "好评"],
    "columns": {"text": "text", "text_pair": None, "label": "label"},
    "max_length": 128,
    "truncation": "head_tail",
    "data": {
        "train": {"file": "data/trainset.csv", "rows": 12345, "sha256": "0"},
        "valid": {"file": "data/validset.csv", "rows": 1000, "sha256": "1"},
    },
    "metrics": {"valid_loss": 0.123456, "accuracy": 0.98765, "macro_f1": 0.9, "mcc": -0.5, "step": 10},
}


def card(**changes) -> str:
    return model_card(run_facts(**RUN | changes))


def front_matter(text: str) -> dict:
    yaml = pytest.importorskip("yaml")
    _, head, _ = text.split("---\n", 2)
    return yaml.safe_load(head)


def test_the_card_begins_with_what_the_hub_reads():
    assert card().startswith("---\n")
    head = front_matter(card())
    index = head.pop("model-index")
    assert head == {
        "pipeline_tag": "text-classification",
        "library_name": "transformers",
        "base_model": "hfl/chinese-bert-wwm",
        "tags": ["text-classification", "bert"],
    }
    results = model_index_to_eval_results(index)[1]  # as the hub reads them
    assert [(result.metric_type, result.metric_value, result.dataset_name) for result in results] == [
        ("accuracy", 0.9877, "validset.csv"),
        ("f1", 0.9, "validset.csv"),
    ]


@pytest.mark.parametrize("name", ['a": "b.csv', "a: b.csv", "#a.csv", "差评\n---\nx: y.csv", "{0}.csv"])
def test_what_the_hub_reads_is_yaml_whatever_the_files_are_called(name):
    data = {"train": {"file": name, "rows": 3}, "valid": {"file": name, "rows": 3}}
    (result, _) = model_index_to_eval_results(front_matter(card(data=data))["model-index"])[1]
    assert result.dataset_name == " ".join(name.split())


@pytest.mark.parametrize(
    "path", ["./bert", "../models/bert", "/models/bert", "~/bert", "runs/mine/bert", "all-MiniLM-L6-v2", "models\\bert"]
)
def test_a_model_that_is_not_from_the_hub_is_named_but_not_as_one(path):
    text = card(base_model=path)
    assert "base_model" not in front_matter(text)
    assert f"Fine-tuned from `{path}` on" in text


def test_the_card_says_what_the_model_was_made_from_and_how_well_it_does():
    text = card()
    assert (
        "Fine-tuned from `hfl/chinese-bert-wwm` on 12,345 rows of `data/trainset.csv`. It tells 2 labels apart:" in text
    )
    assert "On 1,000 validation rows (`data/validset.csv`)" in text
    assert "| 0.1235 | 0.9877 | 0.9000 | -0.5000 |" in text
    assert "Texts longer than 128 tokens are truncated; in training by head_tail." in text
    text = card(stride=32, max_windows=8)
    assert "trained on windows of 128 tokens" in text
    assert "up to 8 such windows of a text, of which each shares 32 tokens" in text
    assert "are truncated" not in text


@pytest.mark.parametrize(
    ("label", "shown"),
    [
        ("好评", "- `好评`"),
        ("two words", "- `two words`"),
        ("two\nlines", r"- `two\nlines`"),
        ("a\tb\r", r"- `a\tb\r`"),
        ("a`b", "- `` a`b ``"),
        ("``", "- ``` `` ```"),
        ("`a` ``b``", "- ``` `a` ``b`` ```"),
        ("{0} {model}", "- `{0} {model}`"),
        ("**bold** | <b>", "- `**bold** | <b>`"),
    ],
)
def test_a_label_is_one_item_of_the_list_whatever_it_holds(label, shown):
    lines = card(labels=["first", label]).splitlines()
    start = lines.index("- `first`")
    assert lines[start : start + 3] == ["- `first`", shown, ""]


@pytest.mark.parametrize(
    ("pair", "argument"), [(None, "a text"), ("title", {"text": "first text", "text_pair": "second text"})]
)
def test_the_example_is_python_that_calls_a_pipeline_on_what_the_model_takes(pair, argument):
    text = card(columns={"text": "text", "text_pair": pair, "label": "label"})
    code = text.split("```python\n")[1].split("```")[0]
    calls = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)]
    by_name = {call.func.id: call for call in calls}
    assert {keyword.arg: ast.literal_eval(keyword.value) for keyword in by_name["pipeline"].keywords} == {
        "model": "path/to/this/directory",
        "top_k": None,
    }
    assert ast.literal_eval(by_name["classify"].args[0]) == argument


HEAD = {"head": {"pooling": "mean", "layers": 1, "dropout": 0.1}}
PART = {"trained": {"part": "head", "base": "x", "base_sha256": "0"}}
SETS = {
    "columns": RUN["columns"] | {"label_separator": ";"},
    "metrics": {"macro_f1": 0.5, "micro_f1": 0.5, "step": 10},
}


@pytest.mark.parametrize(
    ("changes", "tokenizer", "probability"),
    [
        ({}, "tokenizer.json", "np.exp(logits - logits.max())"),
        (HEAD, "onnx/tokenizer.json", "np.exp(logits - logits.max())"),
        (PART, "onnx/tokenizer.json", "np.exp(logits - logits.max())"),
        (SETS, "tokenizer.json", "1 / (1 + np.exp(-logits))"),
    ],
)
def test_the_card_has_a_program_without_torch_for_every_kind_of_model(changes, tokenizer, probability):
    code = card(**changes).split("```python\n")[-1].split("```")[0]
    imports = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Import)]
    assert [alias.name for node in imports for alias in node.names] == ["json", "numpy", "onnxruntime"]
    assert f'Tokenizer.from_file(f"{{folder}}/{tokenizer}")' in code
    assert f"probabilities = {probability}\n" in code
