"""The programs of docs/serving.md that serve an exported model, run as they stand there and asked as users ask."""

import ast
import http.client
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from tests.browser import visited
from tests.conftest import DOCUMENTED_TEXTS, ROOT, needs_onnx

REQUESTS = 1000
AT_ONCE = 16
TRUNCATED_ROW = 100  # of what infer.py writes for `exported`
AS_WRITTEN = 1e-5  # the most by which a served probability may differ from a written one


def documented(name: str) -> str:
    """Return the program of docs/serving.md whose first line is a comment with its name."""
    page = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```\w+\n(.*?)```", page, re.DOTALL)
    (program,) = [block for block in blocks if re.match(rf"\W+{re.escape(name)}\b", block)]
    return program


def predictions_of(exported) -> pd.DataFrame:
    """Return what infer.py writes for the texts."""
    return pd.read_csv(exported.predictions)


@pytest.fixture
def place(exported, tmp_path) -> Path:
    """An empty folder with output/bert_classifier in it, as the programs expect it."""
    (tmp_path / "output").symlink_to(exported.folder / "output")
    return tmp_path


def printed(program: str, place: Path) -> list[str]:
    """Run a program without torch in a folder; return the lines that it prints."""
    program = "import sys\nfor name in ('torch', 'transformers', 'pandas'): sys.modules[name] = None\n" + program
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def answers_in(lines: list[str]) -> list[tuple[str, dict[str, float]]]:
    """Return the label and the probabilities on each line."""
    answers = [line.split(" ", 1) for line in lines]
    return [(label, ast.literal_eval(probabilities)) for label, probabilities in answers]


def assert_as_written(answers: list[tuple[str, dict[str, float]]], written: pd.DataFrame) -> None:
    """Compare labels and probabilities with the rows that infer.py wrote."""
    assert [label for label, _ in answers] == written["prediction"].tolist()
    for label in ("con", "pro"):
        served = [probabilities[label] for _, probabilities in answers]
        assert served == pytest.approx(written[f"prob_{label}"].tolist(), abs=AS_WRITTEN)


def with_openvino(program: str) -> str:
    """Return the program that runs an exported model with the lines for OpenVINO in the place of onnxruntime's."""
    program = program.replace("import onnxruntime", "import openvino")
    for line in documented("openvino").splitlines():
        name, equals, _ = line.partition(" = ")
        if not equals:
            continue
        program, replaced = re.subn(rf"^\(?{name},?\)? = .*$", lambda _, line=line: line, program, flags=re.MULTILINE)
        assert replaced == 1, name
    return program


@needs_onnx
@pytest.mark.parametrize("package", ["onnxruntime", "openvino"])
def test_the_documented_program_answers_as_infer_does_without_torch(exported, place, package):
    pytest.importorskip(package)
    program = documented("classify.py")
    program = program if package == "onnxruntime" else with_openvino(program)
    assert_as_written(answers_in(printed(program, place)), predictions_of(exported).tail(len(DOCUMENTED_TEXTS)))


@needs_onnx
def test_the_program_of_the_model_card_answers_as_infer_does_without_torch(exported, place):
    card = (place / "output" / "bert_classifier" / "README.md").read_text(encoding="utf-8")
    (program,) = [block for block in re.findall(r"```python\n(.*?)```", card, re.DOTALL) if "onnxruntime" in block]
    written = predictions_of(exported).loc[[0, TRUNCATED_ROW]]
    for row in written.itertuples():
        shown = program.replace("path/to/this/directory", "output/bert_classifier").replace('"a text"', repr(row.text))
        (line,) = printed(shown, place)
        assert ast.literal_eval(line) == pytest.approx({"con": row.prob_con, "pro": row.prob_pro}, abs=AS_WRITTEN)


class InferenceProtocol(http.server.BaseHTTPRequestHandler):
    """The Open Inference Protocol over HTTP, version 2, as Triton and OpenVINO Model Server speak it, for one model."""

    def do_POST(self) -> None:
        """Answer a request with the logits of the model of the server."""
        assert self.path == "/v2/models/bert_classifier/infer"
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        tokens = {}
        for tensor in body["inputs"]:
            assert tensor["datatype"] == "INT64"
            tokens[tensor["name"]] = np.array(tensor["data"], np.int64).reshape(tensor["shape"])
        (logits,) = self.server.session.run(["logits"], tokens)
        output = {"name": "logits", "datatype": "FP32", "shape": logits.shape, "data": logits.ravel().tolist()}
        content = json.dumps({"model_name": "bert_classifier", "outputs": [output]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_) -> None:
        """Say nothing."""


@needs_onnx
def test_the_documented_client_asks_a_model_server_and_answers_as_infer_does(exported, place):
    import onnxruntime

    with http.server.HTTPServer(("127.0.0.1", 0), InferenceProtocol) as model_server:
        model_server.session = onnxruntime.InferenceSession(place / "output/bert_classifier/onnx/model.onnx")
        tensors = [*model_server.session.get_inputs(), *model_server.session.get_outputs()]
        names = re.findall(r'name: "(\w+)"', documented("config.pbtxt"))
        assert names == [tensor.name for tensor in tensors]
        thread = threading.Thread(target=model_server.handle_request)
        thread.start()
        address = f"127.0.0.1:{model_server.server_port}"
        lines = printed(documented("ask.py").replace("localhost:8000", address), place)
        thread.join()
    assert_as_written(answers_in(lines), predictions_of(exported).tail(len(DOCUMENTED_TEXTS)))


@contextmanager
def server(folder: Path, *words: str) -> Iterator[int]:
    """Start a Python module that serves in a folder and says its address; gives the port."""
    command = [sys.executable, "-u", "-m", *words]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            said = []
            for line in process.stdout:
                said.append(line)
                if port := re.search(r"http://127\.0\.0\.1:(\d+)", line):
                    break
            assert port, "".join(said)
            yield int(port[1])
        finally:
            process.kill()


def ask(port: int, bodies: list) -> list[tuple[int, list[dict]]]:
    """Send requests one after the other; return the status and the content of each answer."""
    answers = []
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        for body in bodies:
            connection.request("POST", "/predict", json.dumps(body), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answers.append((answer.status, json.loads(answer.read())))
    return answers


@needs_onnx
def test_the_documented_app_answers_a_thousand_requests_as_infer_does(exported, place):
    pytest.importorskip("fastapi")
    pytest.importorskip("uvicorn")
    (place / "serve.py").write_text(documented("serve.py"), encoding="utf-8")
    written = predictions_of(exported)
    texts = written["text"].tolist()
    rows = [[(7 * request + step) % len(texts) for step in range(request % 3 + 1)] for request in range(REQUESTS)]
    bodies = [[texts[row] for row in numbers] for numbers in rows]
    with server(place, "uvicorn", "serve:app", "--port", "0", "--no-access-log") as port:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            shares = list(pool.map(partial(ask, port), [bodies[first::AT_ONCE] for first in range(AT_ONCE)]))
        others = ask(port, [["the food was good " * 100], [["the food was good", "the room was bad"]]])
        mistakes = ask(port, [[], ["text"] * 257, "text", [3], {"texts": ["text"]}])
    assert [status for status, _ in others] == [200, 200]
    assert [status for status, _ in mistakes] == [422] * 5
    for first, share in enumerate(shares):
        assert [status for status, _ in share] == [200] * len(rows[first::AT_ONCE])
        answers = [(row["prediction"], row["probabilities"]) for _, content in share for row in content]
        expected = written.iloc[[row for numbers in rows[first::AT_ONCE] for row in numbers]]
        assert_as_written(answers, expected)


@needs_onnx
def test_the_documented_app_gives_each_of_several_labels_a_probability_of_its_own(exported, tmp_path, monkeypatch):
    pytest.importorskip("fastapi")
    import onnxruntime

    model_dir = shutil.copytree(exported.folder / "output" / "bert_classifier", tmp_path / "output" / "bert_classifier")
    run = json.loads((model_dir / "run.json").read_text(encoding="utf-8"))
    run["columns"]["label_separator"] = ";"
    (model_dir / "run.json").write_text(json.dumps(run), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    app: dict = {}
    exec(documented("serve.py"), app)
    answers = app["predict"](DOCUMENTED_TEXTS)
    session = onnxruntime.InferenceSession(model_dir / "onnx" / "model.onnx")
    for text, answer in zip(DOCUMENTED_TEXTS, answers, strict=True):
        row = app["tokenizer"].encode(text)
        tokens = {"input_ids": [row.ids], "attention_mask": [row.attention_mask], "token_type_ids": [row.type_ids]}
        ((logits,),) = session.run(None, tokens)
        assert [*answer["probabilities"].values()] == pytest.approx(expit(logits).tolist(), abs=AS_WRITTEN)
        assert answer["prediction"] == [name for name, logit in zip(run["labels"], logits, strict=True) if logit >= 0]


@pytest.fixture
def node_modules() -> Path:
    """The folder of npm with transformers.js that the environment names."""
    folder = Path(os.environ.get("NODE_MODULES", "none"))
    if not (folder / "@huggingface" / "transformers").is_dir():
        pytest.skip("NODE_MODULES names no folder with transformers.js: npm install @huggingface/transformers")
    return folder.resolve()


@needs_onnx
def test_the_documented_page_answers_as_infer_does_and_asks_nobody_else(exported, place, node_modules):
    (place / "page.html").write_text(documented("page.html"), encoding="utf-8")
    (place / "node_modules").symlink_to(node_modules)
    written = predictions_of(exported).tail(20).drop(index=TRUNCATED_ROW)  # see docs/serving.md
    answers = []
    with server(place, "http.server", "--bind", "127.0.0.1", "0") as port:
        home = f"http://127.0.0.1:{port}/"
        with visited(f"{home}page.html") as visit:
            visit.page.wait_for_selector("#classify:enabled")
            for text in written["text"]:
                visit.page.fill("#text", text)
                visit.page.evaluate("document.getElementById('answer').textContent = ''")
                visit.page.click("#classify")
                visit.page.wait_for_function("document.getElementById('answer').textContent")
                scores = json.loads(visit.page.inner_text("#answer"))
                answers.append((scores[0]["label"], {score["label"]: score["score"] for score in scores}))
    assert_as_written(answers, written)
    assert f"{home}output/bert_classifier/onnx/model.onnx" in visit.asked
    assert [url for url in visit.asked if not url.startswith((home, "data:,"))] == []
    assert set(visit.said) <= {"No available adapters."}  # what Chromium says where there is no graphics card
