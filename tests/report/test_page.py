"""report.html, opened in a browser: it shows the numbers of metrics.json, can be used, and nothing in it runs."""

import csv
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

from tests.browser import opened
from tests.conftest import run_facts, script
from toolkit.data.rows import Columns
from toolkit.data.tables import Table
from toolkit.doctor.examine import leaks
from toolkit.evaluation.baselines import simple_answers
from toolkit.evaluation.decision import Decision
from toolkit.evaluation.scored_set import ScoredSet
from toolkit.report.explanations import Explanations
from toolkit.report.page import write_report
from toolkit.report.page_parts import clean
from toolkit.report.scores import ScoredRun, score_lines, write_scores
from toolkit.report.texts import PAGE

TRAIN = ("--learning_rate", "3e-3", "--batch_size", "8", "--epochs", "3", "--seed", "1", "--device", "cpu")
CODE = "window.pwned = (window.pwned || 0) + 1"
PAYLOADS = [
    f"<script>{CODE}</script>",
    f"</script><script>{CODE}</script>",
    f"</style><script>{CODE}</script>",
    f"</title><script>{CODE}</script>",
    f"--><script>{CODE}</script><!--",
    f"]]><script>{CODE}</script>",
    f"<img src=x onerror='{CODE}'>",
    f'"><img src=x onerror="{CODE}">',
    f"'><img src=x onerror={CODE.replace(' ', '')}>",
    f"<svg onload='{CODE}'>",
    f"<svg><script>{CODE}</script></svg>",
    f"<svg><animate onbegin='{CODE}' attributeName=x dur=1s>",
    f"<body onload='{CODE}'>",
    f"<iframe srcdoc='<script>parent.{CODE}</script>'></iframe>",
    f"<iframe src='javascript:parent.{CODE}'></iframe>",
    f"<a href='javascript:{CODE}' autofocus onfocus='{CODE}'>x</a>",
    f"<input autofocus onfocus='{CODE}'>",
    f"<details open ontoggle='{CODE}'>",
    f"<video><source onerror='{CODE}'></video>",
    "<link rel=stylesheet href=http://localhost:9/x.css>",
    "<img src=http://localhost:9/x.png>",
    "<meta http-equiv=refresh content='0;url=http://localhost:9/'>",
    "<base href=http://localhost:9/>",
    f"{{{{ {CODE} }}}} {{% raw %}} ${{{CODE}}}",
    f"&lt;script&gt;{CODE}&lt;/script&gt; \\u003cscript\\u003e",
]
WRAPPED = [f"the room was {how} {payload}" for how in ("good", "bad", "sad", "so nice") for payload in PAYLOADS]


@pytest.fixture
def scored(once, reviews, english_bert) -> Path:
    """The test/ directory of a run on reviews, with columns beside text and label."""

    def make(folder: Path) -> str:
        output, test_file = folder / "run", folder / "testset.csv"
        script("main.py", "--data_dir", reviews, "--model", english_bert, "--output_dir", output, *TRAIN)
        frame = pd.read_csv(reviews / "testset.csv")
        frame["source"], frame["stars"] = ["shop", "forum"] * 10, np.arange(20) / 7
        frame.to_csv(test_file, index=False)
        script("test_code.py", "--test_file", test_file, "--model_dir", output / "bert_classifier", "--device", "cpu")
        return str(output / "test")

    return Path(once("scored", make))


def at(metrics: dict, path: str) -> float:
    """The number of metrics.json that a figure of the page is named after."""
    names = path.split(".")
    if names[0] == "per_class":
        names[1] = metrics["labels"][int(names[1])]
    for name in names:
        metrics = metrics[int(name)] if isinstance(metrics, list) else metrics[name]
    return metrics


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_figures_of_the_page_are_those_of_metrics_json(scored, language, tmp_path):
    if language == "zh":
        how = ("--report_language", "zh", "--output_dir", tmp_path, "--test_file", scored.parent.parent / "testset.csv")
        script("test_code.py", "--model_dir", scored.parent / "bert_classifier", "--device", "cpu", *how)
        scored = tmp_path / "test"
    metrics = json.loads((scored / "metrics.json").read_text())
    with opened(scored / "report.html") as page:
        assert page.get_attribute("html", "lang") == PAGE["lang"][language]
        assert re.search("[一-龥]", page.inner_text("main")) is None if language == "en" else "准确率" in page.content()
        figures = page.eval_on_selector_all(
            "[data-figure]", "all => all.map(e => [e.dataset.figure, 'percent' in e.dataset, e.textContent])"
        )
        assert len(figures) > 40
        assert {"headline.value", "headline.low", "accuracy", "mcc", "macro_f1", "intervals.mcc.0"} <= {
            f[0] for f in figures
        }
        for name, percent, text in figures:
            value = at(metrics, name)
            decimals = len(text.partition(".")[2])
            assert text == (f"{value:.1%}" if percent else f"{value:.{decimals}f}"), name
            assert decimals >= 2
        counts = [int(text) for text in page.locator(".matrix .cell b").all_inner_texts()]
    assert counts == [count for row in metrics["confusion_matrix"] for count in row]


def test_the_numbers_behind_the_pictures_are_those_of_scikit_learn(scored):
    metrics = json.loads((scored / "metrics.json").read_text())
    rows = pd.read_csv(scored / "predictions.csv").sort_values("line")
    truth, chance = (rows["label"] == "pro").to_numpy(), rows["prob_pro"].to_numpy()
    assert set(metrics["curves"]) == {"pro"}
    false, true = np.array(metrics["curves"]["pro"]["roc"]).T
    assert sk.auc(false, true) == pytest.approx(sk.roc_auc_score(truth, chance), abs=1e-5)
    recall, precision = np.array(metrics["curves"]["pro"]["precision_recall"]).T
    assert np.sum(np.diff(recall) * precision[1:]) == pytest.approx(sk.average_precision_score(truth, chance), abs=1e-4)
    bins = metrics["reliability"]["after"]
    error = sum(part["rows"] * abs(part["confidence"] - part["accuracy"]) for part in bins) / len(rows)
    assert error == pytest.approx(metrics["calibration"]["after"]["calibration_error"])
    counts = metrics["thresholds"]
    for index in (0, 30, 50, 77, 100):
        answers = chance >= index / 100
        assert counts["true_positives"][index] == (answers & truth).sum()
        assert counts["false_positives"][index] == (answers & ~truth).sum()
    for part in metrics["slices"]:
        assert sum(group["rows"] for group in part["groups"]) == len(rows)
    by = {part.get("column", part["by"]): part["groups"] for part in metrics["slices"]}
    assert set(by) == {"tokens", "source", "stars"}
    assert [group["name"] for group in by["source"]] == ["forum", "shop"]
    for group in by["source"]:
        there = rows[rows["source"] == group["name"]]
        assert group["accuracy"] == pytest.approx((there["label"] == there["prediction"]).mean())
        assert group["low"] <= group["accuracy"] <= group["high"]
    assert len(by["stars"]) == 5


def test_the_slider_and_the_costs_work(scored):
    rows = pd.read_csv(scored / "predictions.csv")
    truth, chance = (rows["label"] == "pro").to_numpy(), rows["prob_pro"].to_numpy()
    with opened(scored / "report.html") as page:

        def shown(name: str) -> float:
            return float(page.inner_text(f"[data-explored={name}]"))

        for index in (50, 20, 0, 90):
            page.evaluate("i => { slider.value = i; slider.dispatchEvent(new Event('input')); }", index)
            answers = chance >= index / 100
            assert page.inner_text("#at") == f"{index / 100:.2f}"
            assert shown("precision") == pytest.approx(sk.precision_score(truth, answers, zero_division=0), abs=6e-5)
            assert shown("recall") == pytest.approx(sk.recall_score(truth, answers), abs=6e-5)
            assert shown("accuracy") == pytest.approx(sk.accuracy_score(truth, answers), abs=6e-5)
            assert shown("false_negatives") == (truth & ~answers).sum()
        page.fill("#cost-fp", "1")
        page.fill("#cost-fn", "9.5")
        cost = [(~truth & (chance >= i / 100)).sum() + 9.5 * (truth & (chance < i / 100)).sum() for i in range(101)]
        assert shown("cost") == pytest.approx(cost[90])
        page.click("#cheapest")
        assert shown("cost") == pytest.approx(min(cost))
        assert cost[round(100 * float(page.inner_text("#at")))] == pytest.approx(min(cost))


def test_a_cell_of_the_matrix_shows_its_rows_and_again_all_that_are_wrong(scored):
    metrics = json.loads((scored / "metrics.json").read_text())
    rows = pd.read_csv(scored / "predictions.csv")
    wrong = [text.strip() for text in rows[rows["correct"] == "no"]["text"]]
    with opened(scored / "report.html") as page:

        def visible() -> list[str]:
            return page.locator(".texts > li:visible .text").all_inner_texts()

        assert visible() == wrong[:25]
        for i, true in enumerate(metrics["labels"]):
            for j, predicted in enumerate(metrics["labels"]):
                button = page.locator(f"button[data-cell='{i}-{j}']")
                if metrics["confusion_matrix"][i][j]:
                    button.click()
                    assert button.get_attribute("aria-pressed") == "true"
                    expected = rows[(rows["label"] == true) & (rows["prediction"] == predicted)]["text"]
                    assert sorted(visible()) == sorted(expected)
                else:
                    assert button.is_disabled()
        page.click("#all")
        assert visible() == wrong[:25]
        assert page.locator(".word").count() > 2 * bool(wrong)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_a_phone_and_follows_the_colours_of_the_system(scored, scheme):
    with opened(scored / "report.html", viewport={"width": 360, "height": 740}, color_scheme=scheme) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        colour = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        light = sum(map(int, re.findall(r"\d+", colour)[:3])) > 380
        assert light == (scheme == "light")
        assert page.locator("section:visible").count() >= 10


def test_nothing_in_texts_labels_and_column_names_runs(tmp_path, english_bert):
    labels = [PAYLOADS[0], PAYLOADS[7]]
    names = ["text", "label", *PAYLOADS[5:9]]
    for name in ("trainset", "validset", "testset"):
        with (tmp_path / f"{name}.csv").open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(names)
            for i, text in enumerate(WRAPPED):
                extra = [PAYLOADS[i % 3], PAYLOADS[9 + i % 4], i % 2, i / 7]
                writer.writerow([text, labels[i % 2], *extra])
    odd = tmp_path / f"<img src=x onerror='{CODE}'>.csv"
    (tmp_path / "testset.csv").rename(odd)
    how = (
        "--max_unknown",
        "1",
        "--max_length",
        "64",
        "--epochs",
        "1",
        "--device",
        "cpu",
        "--positive_label",
        labels[0],
    )
    files = [word for name in ("train", "valid") for word in (f"--{name}_file", tmp_path / f"{name}set.csv")]
    script("main.py", *files, "--test_file", odd, "--model", english_bert, "--output_dir", tmp_path / "o", *how)
    report = tmp_path / "o" / "test" / "report.html"
    assert len({clean(text) for text in WRAPPED}) == 100
    with opened(report) as page:
        for button in page.locator("button.cell:enabled").all():
            button.click()
        assert page.evaluate("window.pwned") is None
        shown = set(page.locator(".texts .text").all_text_contents())
        assert set(WRAPPED) <= shown
        assert page.locator("#labels tbody th").all_text_contents() == sorted(labels)
        assert (
            page.evaluate("document.querySelectorAll('img, iframe, video, base, body[onload], a[onfocus]').length") == 0
        )
        heads = page.locator("#parts thead th:first-child").all_text_contents()
        assert set(PAYLOADS[5:8]) <= set(heads)
        assert page.inner_text("h1") == odd.name


def written(
    folder: Path,
    found: ScoredSet,
    language: str = "en",
    train: Table | None = None,
    explanations: Explanations = Explanations(),  # noqa: B008 - frozen
    **run,
) -> tuple[dict, str]:
    """What metrics.json and report.html have of a scored table, whose texts are all different."""
    names = np.array(found.labels, object)[found.label_ids]
    frame = pd.DataFrame({"text": [f"text {i}" for i in range(len(names))], "label": names}, dtype=object)
    frame.index.name = "line"
    table = Table(Path("t.csv"), frame, [], frame.to_dict("records"), Columns(), "0")
    model = folder / "bert_classifier"
    model.mkdir()
    (model / "model.safetensors").touch()
    facts = run_facts(base_model="b", labels=found.labels, **run)
    (model / "run.json").write_text(json.dumps(facts.as_json()))
    answers = simple_answers(train, {"test": table}).get("test")
    scored_run = ScoredRun(found, table, facts, model, train, answers)
    scores = write_scores(folder / "test", scored_run)
    write_report(folder / "test", scored_run, scores, explanations, language)
    assert score_lines(scores)
    return scores, (folder / "test" / "report.html").read_text(encoding="utf-8")


def drawn(rows: int, labels: int, right: float = 0.8, threshold: float | None = None) -> ScoredSet:
    draw = np.random.default_rng(0)
    label_ids = np.arange(rows) % labels
    answers = np.where(draw.random(rows) < right, label_ids, draw.integers(labels, size=rows))
    logits = (3 * np.eye(labels)[answers] + draw.random((rows, labels))).astype(np.float32)
    decision = Decision(1.5, 1.5, 1, threshold)
    return ScoredSet(logits, label_ids, np.full(rows, 5), [f"label {i}" for i in range(labels)], decision)


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize(
    "found",
    [drawn(300, 25), drawn(1, 2), drawn(40, 2, right=1.0), drawn(40, 2, threshold=0.3), drawn(50, 3)],
    ids=["many labels", "one row", "no error", "threshold", "three labels"],
)
def test_whatever_was_scored_there_is_a_page_with_its_numbers(tmp_path, found, language):
    scores, page = written(tmp_path, found, language)
    for name, text in re.findall(r'data-figure="([^"]+)">([^<]+)<', page):
        value = at(scores, name)
        assert text == ("–" if value is None else f"{value:.{len(text.partition('.')[2])}f}"), name
    assert page.count('<li data-cell="') >= min(len(found.label_ids), 200, max((~found.right).sum(), 1))
    assert ("</noscript>" in page) == ("thresholds" in scores) == (len(found.labels) == 2)


@pytest.mark.parametrize(
    ("language", "problem", "said"),
    [
        (
            "en",
            "no_memory",
            "No words are marked: there was too little memory to find out which ones mattered (&lt;b&gt;).",
        ),
        ("en", "failed", "No words are marked: finding out which ones mattered failed (&lt;b&gt;)."),
        ("zh", "no_memory", "没有标出起作用的词：内存不足，无法计算（&lt;b&gt;）。"),
        ("zh", "failed", "没有标出起作用的词：计算失败（&lt;b&gt;）。"),
    ],
)
def test_a_page_without_explanations_says_why(tmp_path, language, problem, said):
    _, page = written(tmp_path, drawn(40, 2), language, explanations=Explanations(problem=problem, reason="<b>"))
    assert page.count(said) == 1
    (tmp_path / "sound").mkdir()
    _, page = written(tmp_path / "sound", drawn(40, 2), language)
    assert "unexplained" not in page


@pytest.mark.parametrize(("language", "said"), [("en", "not marked: 2."), ("zh", "有 2 行太长")])
def test_a_page_says_how_many_rows_were_too_long_to_be_explained(tmp_path, language, said):
    _, page = written(tmp_path, drawn(40, 2), language, explanations=Explanations(left_out=2))
    assert page.count(said) == 1


def test_of_many_labels_the_pairs_that_are_mixed_up_most_can_be_pressed(tmp_path):
    scores, page = written(tmp_path, drawn(2000, 25))
    pressed = re.findall(r'<button type="button" class="cell" data-cell="(\d+)-(\d+)"', page)
    matrix = np.array(scores["confusion_matrix"]) * (1 - np.eye(25, dtype=int))
    assert len(pressed) == 40
    assert min(matrix[int(i), int(j)] for i, j in pressed) >= np.sort(matrix.ravel())[-41]


def test_one_label_alone_is_no_trouble(tmp_path):
    found = drawn(30, 2)
    alone = ScoredSet(
        np.array([[2.0, 0.0]] * 30, np.float32), np.zeros(30, int), found.token_counts, found.labels, found.decision
    )
    scores, page = written(tmp_path, alone, options={"metric": "mcc"})
    assert scores["intervals"]["mcc"] is None
    assert scores["headline"]["metric"] == "accuracy"
    assert "between 0.0% and 0.0%" not in page


def test_a_training_whose_scores_are_all_perfect_can_be_drawn(tmp_path):
    score = dict.fromkeys(("accuracy", "macro_f1", "mcc"), 1.0) | dict.fromkeys(("train_loss", "valid_loss"), 0.0)
    history = [{"step": 10 * epoch, "epoch": float(epoch), **score} for epoch in (1, 2, 3)]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in history))
    _, page = written(tmp_path, drawn(40, 2, right=1.0), metrics=history[0])
    assert page.count('<section id="course">') == 1


def test_what_was_not_checked_is_not_called_sound_and_a_leak_is_told_once(tmp_path):
    for name in "abc":
        (tmp_path / name).mkdir()
    found, sound, gone = drawn(30, 2), PAGE["nothing_found"].en, PAGE["not_checked"].en
    scores, page = written(tmp_path / "a", found, findings=[])
    assert scores["findings"] is None
    assert (sound in page, gone in page) == (False, True)
    frame = pd.DataFrame({"text": ["other one", "other two"], "label": ["label 0", "label 1"]}, dtype=object)
    train = Table(Path("train.csv"), frame, [], [], Columns(), "1")
    scores, page = written(tmp_path / "b", found, train=train, findings=[])
    assert scores["findings"] == []
    assert (sound in page, gone in page) == (True, False)
    leaked = replace(train, frame=frame.assign(text=["TEXT 1", "text  2"]))
    texts = pd.DataFrame({"text": [f"text {i}" for i in range(30)], "label": "x"})
    leak = leaks(leaked, Table(Path("t.csv"), texts, [], [], Columns(), ""))
    scores, page = written(tmp_path / "c", found, train=leaked, findings=[each.as_json() for each in leak])
    assert [each["kind"] for each in scores["findings"]] == ["leak"]
    assert page.count(leak[0].sentence()) == 1
    assert "6.7% of the test rows (2) are also in the training file" in page
    assert any(line.startswith("warning: 6.7% of the test rows (2)") for line in score_lines(scores))
