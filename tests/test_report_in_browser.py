"""report.html, opened in a browser: it shows the numbers of metrics.json, can be used, and nothing in it runs."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

from tests.browser import figure_at, opened
from tests.conftest import script
from tests.report.label_set_pages import scored_sets, written
from toolkit.report.page_parts import clean
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
        shown = {"headline.value", "headline.low", "mcc", "macro_f1", "intervals.mcc.0", "calibration.after.loss"}
        assert shown <= {f[0] for f in figures}
        for name, percent, text in figures:
            value = figure_at(metrics, name)
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
        assert {payload.strip("\"'") for payload in PAYLOADS[5:8]} <= set(heads)  # without quotes, as names are read
        assert page.inner_text("h1") == odd.name


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_of_several_labels_can_be_used_and_nothing_in_it_runs(tmp_path, language):
    labels = [PAYLOADS[0], PAYLOADS[7], "plain"]
    found = scored_sets(100, labels)
    metrics, report = written(tmp_path, found, language, WRAPPED)
    with opened(report, viewport={"width": 360, "height": 740}) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        main = page.inner_text("main")
        assert re.search("[一-龥]", main) is None if language == "en" else "漏掉" in main

        def visible() -> list[str]:
            return page.locator(".texts > li:visible .text").all_text_contents()

        kinds = {"hit": found.label_ids & found.predicted, "missed": found.missed, "added": found.added}
        for kind, which in kinds.items():
            button = page.locator(f"button[data-cell='{kind}-2']")
            button.click()
            expected = {WRAPPED[row] for row in np.flatnonzero(which[:, 2])}
            assert len(visible()) == min(25, len(expected))
            assert set(visible()) <= expected
        pair = metrics["instead"][0]
        page.locator(".pairs button").first.click()
        swapped = found.missed[:, labels.index(pair["missed"])] & found.added[:, labels.index(pair["added"])]
        assert set(visible()) == {WRAPPED[row] for row in np.flatnonzero(swapped)}
        page.click("#all")
        assert page.evaluate("window.pwned") is None
        assert page.evaluate("document.querySelectorAll('img, iframe, video, base').length") == 0
        assert page.locator("#labels tbody th").all_text_contents() == labels
