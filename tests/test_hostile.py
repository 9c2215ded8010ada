"""Models that somebody made to do harm: refused in a sentence, and an audit hook sees that nothing else happens."""

import csv
import json
import os
import pickle
import re
import shutil
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.conftest import ROOT, WORDS, tiny_bert

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="the cases are forked")
pytestmark = needs_fork
PRELOAD = [
    "utils",
    "sklearn.metrics",
    "toolkit.report.scores",
    "matplotlib.pyplot",
    "transformers.models.bert.modeling_bert",
]
MARKER = "it_ran"
ENDLESS = "(a+)+$"
TOO_LONG = 30  # seconds
Outcome = namedtuple("Outcome", "status out err log")


class Evil:
    """What leaves a file behind when it is unpickled."""

    def __init__(self, marker: Path):
        self.code = f"open({str(marker)!r}, 'w').close()"

    def __reduce__(self):
        return exec, (self.code,)


def put(folder: Path, name: str, content: bytes | str | dict | list) -> None:
    content = json.dumps(content) if isinstance(content, (dict, list)) else content
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())


def change(name: str, **entries):
    """Return what sets entries of a json file, which may be new."""

    def harm(folder: Path) -> None:
        old = json.loads((folder / name).read_text()) if (folder / name).exists() else {}
        put(folder, name, old | entries)

    return harm


def config(**entries):
    return change("config.json", **entries)


def tokenizer(**entries):
    return change("tokenizer.json", **entries)


def content(name: str, content: bytes | str):
    return lambda folder: put(folder, name, content)


def pickles(*names: str):
    def harm(folder: Path) -> None:
        for name in names:
            put(folder, name, pickle.dumps(Evil(folder.parent / MARKER)))

    return harm


def only_pickles(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    pickles("pytorch_model.bin", "training_args.bin", "optimizer.pt")(folder)


def pickle_in_disguise(folder: Path) -> None:
    pickles("model.safetensors")(folder)


def torch_file_in_disguise(folder: Path) -> None:
    torch.save({"weights": Evil(folder.parent / MARKER)}, folder / "model.safetensors")


def link(name: str, target: str):
    def harm(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(target)

    return harm


def moved_out(name: str):
    """Return what moves a file out of the directory and leaves a link to it."""

    def harm(folder: Path) -> None:
        (folder / name).rename(folder.parent / name)
        (folder / name).symlink_to(f"../{name}")

    return harm


def pipe(folder: Path) -> None:
    (folder / "tokenizer_config.json").unlink()
    os.mkfifo(folder / "tokenizer_config.json")


def index(**weight_map: str):
    def harm(folder: Path) -> None:
        (folder / "model.safetensors").rename(folder.parent / "model.safetensors")
        put(folder, "model.safetensors.index.json", {"metadata": {}, "weight_map": weight_map})

    return harm


def header(length: int, text: bytes = b"{}"):
    return content("model.safetensors", length.to_bytes(8, "little") + text)


def tensors(**entries):
    """Return what replaces the weights by a header that says so, and some bytes."""
    text = json.dumps(
        {name: {"dtype": d, "shape": s, "data_offsets": o} for name, (d, s, o) in entries.items()}
    ).encode()
    return header(len(text), text + bytes(64))


def huge_header(folder: Path) -> None:
    text = b'{"a":"' + b"x" * (90 << 20) + b'"}'
    put(folder, "model.safetensors", len(text).to_bytes(8, "little") + text)


def cut_weights(folder: Path) -> None:
    data = (folder / "model.safetensors").read_bytes()
    put(folder, "model.safetensors", data[: len(data) // 2])


def weights(harm):
    """Return what changes the tensors."""

    def change(folder: Path) -> None:
        found = load_file(folder / "model.safetensors")
        harm(found)
        save_file(found, folder / "model.safetensors", {"format": "pt"})

    return change


def deep(levels: int) -> str:
    return '{"a":' * levels + "1" + "}" * levels


EMBEDDINGS = "bert.embeddings.word_embeddings.weight"
NORMALIZER = {"type": "Replace", "pattern": {"Regex": ENDLESS}, "content": ""}
SPLIT = {"type": "Split", "pattern": {"Regex": ENDLESS}, "behavior": "Isolated", "invert": False}
GROWING = {"type": "Replace", "pattern": {"String": "a"}, "content": "aaaaaaaaaa"}

CASES = {  # name: (what is done to a good model, what the error says)
    "only pickles": (only_pickles, r'no model\.safetensors, and pickled .*docs/file-formats\.md.* weights_only=True.*'
        r'/only pickles/model\W* pytorch_model\.bin$'),
    "pickle in disguise": (pickle_in_disguise, r"model\.safetensors is damaged"),
    "torch file in disguise": (torch_file_in_disguise, r"model\.safetensors is damaged"),
    "auto_map of a model that is unknown": (
        config(auto_map={"AutoConfig": "modeling_evil.C"}, model_type="evil"), "auto_map"),
    "auto_map that is a list": (config(auto_map=["modeling_evil.C"]), "auto_map"),
    "custom_pipelines": (
        config(custom_pipelines={"text-classification": {"impl": "pipeline_evil.C", "pt": ["AutoModel"]}}),
        "custom_pipelines",
    ),
    "kernel for attention": (config(attn_implementation="evil/kernel"), "attn_implementation: 'evil/kernel'"),
    "kernel, by its older name": (config(_attn_implementation="evil/kernel@main:f"), "_attn_implementation"),
    "kernel, by its inner name": (config(_attn_implementation_internal="evil/kernel"), "_internal"),
    "kernel of a part": (config(attn_implementation={"text_config": "evil/kernel"}), "evil/kernel"),
    "flash attention, which falls back to a kernel": (config(attn_implementation="flash_attention_2"), "flash"),
    "kernel for experts": (config(experts_implementation="evil/kernel"), "experts_implementation"),
    "use_kernels": (config(use_kernels=True), "use_kernels"),
    "quantization": (config(quantization_config={"quant_method": "gptq", "bits": 4}), "quantized"),
    "other weights": (config(transformers_weights="../other.safetensors"), "transformers_weights"),
    "adapter of another model": (
        content("adapter_config.json", '{"peft_type": "LORA", "base_model_name_or_path": "evil/model"}'), "adapter"),
    "link out of the directory": (moved_out("vocab.txt"), "vocab.txt is a link out of the directory"),
    "link to the weights": (moved_out("model.safetensors"), "link out of the directory"),
    "link to a file of the system": (link("vocab.txt", "/etc/hostname"), "link out of the directory"),
    "link to nothing": (link("added_tokens.json", "/no/such/file"), "link out of the directory"),
    "link to itself": (link("added_tokens.json", "added_tokens.json"), "added_tokens.json"),
    "link to a directory": (link("additional_chat_templates", "/etc"), "link out of the directory"),
    "pipe": (pipe, "tokenizer_config.json is neither a file nor a directory"),
    "index that leads out": (index(a="../model.safetensors"), r"names '\.\./model\.safetensors'"),
    "index with a whole path": (index(a="/etc/passwd"), "names '/etc/passwd'"),
    "index of a pickle": (index(a="pytorch_model.bin"), "names 'pytorch_model.bin'"),
    "index of nothing": (index(), "no weight_map"),
    "header of a terabyte": (header(2**40), "damaged"),
    "header of 2^64": (header(2**64 - 1), "damaged"),
    "header of 90 MB": (huge_header, "header of 94,371,848 bytes, which is implausibly long"),
    "header that is no json": (header(2, b"\xff\xfe"), "cannot be loaded"),
    "weights that are empty": (content("model.safetensors", b""), "damaged"),
    "weights that are cut": (cut_weights, "cannot be loaded"),
    "weights that overlap": (tensors(a=("F32", [4], [0, 16]), b=("F32", [4], [8, 24])), "cannot be loaded"),
    "weights of an endless shape": (tensors(a=("F32", [2**40, 2**40], [0, 64])), "cannot be loaded"),
    "weights of an unknown kind": (tensors(a=("F1", [16], [0, 64])), "cannot be loaded"),
    "weights of another size": (config(hidden_size=64), "missing or of the wrong size"),
    "weights that are no numbers": (
        weights(lambda found: found[EMBEDDINGS][0].fill_(float("nan"))), "without finite .*, such as .*word_emb"),
    "weights that are endless": (
        weights(lambda found: found[EMBEDDINGS][0].fill_(float("inf"))), "without finite float values"),
    "10^12 words": (config(vocab_size=10**12), "vocab_size: '1000000000000', which is implausibly large"),
    "more words than weights": (config(vocab_size=90_000_000), "describes 2,88.* weights"),
    "10^9 layers": (config(num_hidden_layers=10**9), "num_hidden_layers: '1000000000', which is implausibly large"),
    "10^9 labels": (config(num_labels=10**9), "num_labels: '1000000000', which is implausibly large"),
    "10^12 positions": (config(max_position_embeddings=10**12), "max_position_embeddings"),
    "10^200 words": (config(vocab_size=10**200), "vocab_size"),
    "no width": (config(hidden_size=0), "cannot be loaded|wrong size"),
    "no heads": (config(num_attention_heads=0), "cannot be loaded"),
    "width below zero": (config(hidden_size=-32), "cannot be loaded"),
    "layers that are a string": (config(num_hidden_layers="2"), "cannot be loaded"),
    "labels that are a list": (config(id2label=[1, 2]), "cannot be loaded"),
    "dropout that is a string": (config(hidden_dropout_prob="evil"), "cannot be loaded"),
    "dtype that is a function": (config(torch_dtype="load", dtype="load"), "cannot be loaded"),
    "dtype that does not exist": (config(torch_dtype="evil", dtype="evil"), "cannot be loaded"),
    "activation that does not exist": (config(hidden_act="__import__"), "cannot be loaded"),
    "kind of model that does not exist": (config(model_type="evil"), "has the model_type 'evil', which"),
    "kind of model that is a list": (config(model_type=["bert"]), "has the model_type .* does not know"),
    "configuration that is a list": (content("config.json", "[]"), "config.json is not a json object"),
    "configuration that is cut": (content("config.json", '{"model_type": '), "config.json cannot be read"),
    "configuration that is a pickle": (pickles("config.json"), "config.json cannot be read"),
    "configuration without end": (content("config.json", deep(100_000)), "nested too deeply"),
    "configuration that is deep": (content("config.json", deep(150)), "nested too deeply"),
    "endless expression in the normalizer": (tokenizer(normalizer=NORMALIZER), r"\(a\+\)\+\$.*forever"),
    "endless expression in a sequence": (
        tokenizer(pre_tokenizer={"type": "Sequence", "pretokenizers": [{"type": "BertPreTokenizer"}, SPLIT]}),
        "repeat contains another repeat",
    ),
    "endless expression in the decoder": (tokenizer(decoder=NORMALIZER), "forever"),
    "text that grows": (
        tokenizer(normalizer={"type": "Sequence", "normalizers": [GROWING] * 9}), "1,000,000,000 times as long"),
    "tokenizer of another version": (
        lambda folder: (
            put(folder, "tokenizer.4.0.json", {"version": "1.0", "pre_tokenizer": SPLIT}),
            change("tokenizer_config.json", fast_tokenizer_files=["tokenizer.4.0.json"])(folder),
        ),
        r"tokenizer\.4\.0\.json has the regular expression",
    ),
    "tokenizer of another directory": (
        change("tokenizer_config.json", fast_tokenizer_files=["../evil/tokenizer.4.0.json"]), "not a file in the d"),
    "vocabulary of another directory": (
        change("tokenizer_config.json", vocab_file="/etc/passwd"), "vocab_file: '/etc/passwd', a file outside"),
    "words without end": (
        tokenizer(model={"type": "WordPiece", "max_input_chars_per_word": 10**9, "vocab": {"[UNK]": 0}}), "forever"),
    "tokenizer that is cut": (content("tokenizer.json", '{"version": "1.0", '), "tokenizer.json cannot be read"),
    "tokenizer without end": (content("tokenizer.json", deep(100_000)), "nested too deeply"),
    "tokenizer that makes no sense": (content("tokenizer.json", '{"version": "1.0", "model": 5}'), "cannot be loaded"),
    "tokenizer of no class": (change("tokenizer_config.json", tokenizer_class=["evil"]), "cannot be loaded"),
}  # fmt: skip


def run_watched(tmp: Path, commands: dict[str, tuple[Path, list]], preload=PRELOAD) -> dict[str, Outcome]:
    """Run {name: (watched directory, script and options)}; each may write to its own folder of `tmp` alone."""
    cases, home = [], tmp / "home"
    for place in (tmp, home):
        place.mkdir(exist_ok=True)
    for name, (watched, command) in commands.items():
        own = tmp / name
        own.mkdir()
        files = {key: str(own / key) for key in ("log", "stdout", "stderr")}
        places = {"watched": str(watched), "writable": [str(own), str(home), os.devnull]}
        cases.append({**files, **places, "command": [str(ROOT / command[0]), *map(str, command[1:])]})
    put(tmp, "cases.json", cases)
    environment = {**os.environ, "HOME": str(home), "TMPDIR": str(home), "RUST_BACKTRACE": "0"}
    environment["TORCHINDUCTOR_CACHE_DIR"] = str(home)
    environment.pop("HF_HUB_OFFLINE")  # it is the scripts that have to keep from the network
    command = [sys.executable, str(ROOT / "tests" / "watched.py"), str(tmp / "cases.json"), *preload]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, encoding="utf-8", timeout=600)
    assert done.returncode == 0, done.stderr
    outcomes = {}
    for name, status in zip(commands, json.loads(done.stdout.splitlines()[-1]), strict=True):
        texts = [(tmp / name / key).read_text("utf-8", "replace") for key in ("stdout", "stderr", "log")]
        outcomes[name] = Outcome(status, *texts)
    return outcomes


def training(model: Path, reviews: Path, output: Path) -> list:
    return [
        "main.py",
        "--data_dir",
        reviews,
        "--model",
        model,
        "--output_dir",
        output,
        "--epochs",
        "1",
        "--device",
        "cpu",
    ]


def told(outcomes: dict[str, list]) -> dict[str, Outcome]:
    """What json has kept of outcomes."""
    return {name: Outcome(*outcome) for name, outcome in outcomes.items()}


@pytest.fixture(scope="module")
def good(once) -> Path:
    """A model with all kinds of tokenizer files, and with code beside it that nothing names."""

    def make(tmp: Path) -> str:
        folder = tiny_bert(tmp / "model", WORDS)
        vocab = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
        put(folder, "vocab.txt", "\n".join(sorted(vocab, key=vocab.get)) + "\n")
        for name in ("modeling_evil.py", "tokenization_evil.py", "pipeline_evil.py"):
            marker = str(folder.parent / MARKER)
            put(folder, name, f"open({marker!r}, 'w').close()\nclass C: pass\n")
        return str(folder)

    return Path(once("good", make))


@pytest.fixture(scope="module")
def refused(good, once) -> dict[str, tuple[Path, Outcome]]:
    """What main.py says to the model of each case, and where that model is."""

    def make(tmp: Path) -> list:
        commands, folders, data = {}, {}, tmp / "data"
        data.mkdir()
        put(data, "trainset.csv", "text,label\n" + "the food was good,pro\nthe bed was bad,con\n" * 10)
        for name, (harm, _) in CASES.items():
            folders[name] = Path(shutil.copytree(good, tmp / "models" / name.replace("/", "") / "model"))
            harm(folders[name])
            commands[name] = (folders[name], training(folders[name], data, tmp / "runs" / name / "output"))
        return [{name: str(folder) for name, folder in folders.items()}, run_watched(tmp / "runs", commands)]

    folders, outcomes = once("refused", make)
    return {name: (Path(folders[name]), outcome) for name, outcome in told(outcomes).items()}


@pytest.mark.parametrize("name", CASES)
def test_a_hostile_model_is_refused_in_a_sentence_and_nothing_else_happens(refused, name):
    folder, done = refused[name]
    lines = done.err.splitlines()
    assert done.status == 2, done.err
    assert all(line.startswith(f"error: model {folder}: ") for line in lines), done.err
    assert len(lines) == 1, done.err
    assert re.search(CASES[name][1], lines[0]), done.err
    assert len(lines[0]) < 700
    assert done.log == ""
    assert not (folder.parent / MARKER).exists()
    assert not (folder.parent.parent.parent / "runs" / name / "output").exists()


OWN_CODE = {  # name: what names code beside a model that transformers has a class for; it is used without that code
    "of the model": config(
        auto_map={"AutoConfig": "modeling_evil.C", "AutoModelForSequenceClassification": "modeling_evil.C"}
    ),
    "of the hub": config(auto_map={"AutoConfig": "evil/repository--modeling_evil.C"}),
    "inside": config(text_config={"auto_map": {"AutoConfig": "modeling_evil.C"}}),
    "of the tokenizer": change("tokenizer_config.json", auto_map={"AutoTokenizer": ["tokenization_evil.C", None]}),
}


@pytest.mark.parametrize("name", OWN_CODE)
def test_a_model_that_names_code_is_trained_without_it_where_transformers_knows_its_type(
    good, reviews_once, tmp_path, name
):
    folder = Path(shutil.copytree(good, tmp_path / "models" / "model"))
    OWN_CODE[name](folder)
    command = training(folder, reviews_once, tmp_path / "runs" / "main" / "output")
    (done,) = run_watched(tmp_path / "runs", {"main": (folder, command)}).values()
    assert (done.status, done.log) == (0, ""), done.err
    assert not (good.parent / MARKER).exists()
    saved = tmp_path / "runs" / "main" / "output" / "bert_classifier"
    assert "auto_map" not in json.loads((saved / "config.json").read_text())
    assert "auto_map" not in json.loads((saved / "tokenizer_config.json").read_text())
    assert ("the code that config.json names (auto_map) is not run" in done.out) == name.startswith(
        ("of the m", "of the h")
    )


# -- models of ours that somebody has changed -------------------------------------------------------------------------


def run_json(**entries):
    return change("run.json", **entries)


CHANGED = {  # name: (what is done to a model that main.py wrote, what test_code.py and infer.py say)
    "pickle of a trainer": (pickles("training_args.bin"), "training_args.bin is a pickle, .* remove it"),
    "pickles": (pickles("optimizer.pt", "rng_state.pth", "scheduler.PKL"), "optimizer.pt is a pickle"),
    "only pickles": (only_pickles, "is a pickle"),
    "pickle in disguise": (pickle_in_disguise, r"model\.safetensors is damaged"),
    "link out of the directory": (moved_out("tokenizer.json"), "tokenizer.json is a link out of the directory"),
    "pipe": (pipe, "tokenizer_config.json is neither a file nor a directory"),
    "auto_map that is a list": (config(auto_map=["modeling_evil.C"]), "auto_map"),
    "custom_pipelines": (config(custom_pipelines={"text-classification": {"impl": "pipeline_evil.C"}}), "pipelines"),
    "kernel": (config(attn_implementation="evil/kernel"), "evil/kernel"),
    "endless expression": (tokenizer(normalizer=NORMALIZER), "forever"),
    "run.json that is a pickle": (pickles("run.json"), r"run\.json: cannot be read"),
    "run.json without end": (content("run.json", deep(100_000)), r"run\.json: cannot be read"),
    "labels that are numbers": (run_json(labels=[1, 2], positive_label=1), "its labels is not what main.py writes"),
    "labels that are one": (run_json(labels=["con", "con"]), "its labels is not"),
    "labels that are a string": (run_json(labels="con"), "its labels is not"),
    "labels of another model": (run_json(labels=["con", "pro", "neither"]), "does not fit run.json"),
    "length that is a string": (run_json(max_length="64"), "its max_length is not"),
    "length below zero": (run_json(max_length=-1), "its max_length is not"),
    "columns that are numbers": (run_json(columns={"text": 1, "text_pair": None, "label": 2}), "its columns is not"),
    "base model that is an object": (run_json(base_model={}), "its base_model is not"),
}


@pytest.fixture(scope="module")
def trained(good, reviews_once, once) -> tuple[Path, dict[str, Outcome]]:
    """A run of main.py on a model with pickles beside its weights, and what the three scripts did on the way."""

    def make(tmp: Path) -> list:
        model, output = shutil.copytree(good, tmp / "pickled" / "model"), tmp / "runs" / "main" / "output"
        pickles("pytorch_model.bin", "training_args.bin", "optimizer.pt")(model)
        ours = ("--model_dir", output / "bert_classifier", "--data_dir", reviews_once, "--device", "cpu")
        commands = {
            "main": (model, training(model, reviews_once, output)),
            "infer": (output, ["infer.py", *ours, "--output_file", tmp / "runs" / "infer" / "p.csv"]),
            "test": (output, ["test_code.py", *ours, "--output_dir", tmp / "runs" / "test" / "output"]),
        }
        return [str(output / "bert_classifier"), run_watched(tmp / "runs", commands)]

    folder, outcomes = once("trained", make)
    return Path(folder), told(outcomes)


@pytest.fixture(scope="module")
def reviews_once(once) -> Path:
    def make(folder: Path) -> str:
        for name in ("trainset", "validset", "testset"):
            put(folder, f"{name}.csv", "text,label\n" + "the food was good,pro\nthe bed was bad,con\n" * 10)
        put(folder, "unlabelled.csv", "text\nthe food was good\n")
        return str(folder)

    return Path(once("reviews", make))


@pytest.mark.parametrize("script", ["main", "infer", "test"])
def test_a_good_model_is_used_without_a_socket_a_pickle_or_code_of_its_own(trained, good, script):
    folder, outcomes = trained
    done = outcomes[script]
    assert (done.status, done.log) == (0, ""), done.err
    assert not (good.parent / MARKER).exists()
    assert not list(folder.glob("*.bin"))


def test_a_good_model_is_used_so_whatever_is_imported_on_the_way(trained, tmp_path):
    command = ["infer.py", "--model_dir", trained[0], "--text", "the food was good", "--device", "cpu"]
    (done,) = run_watched(tmp_path / "runs", {"infer": (trained[0], command)}, preload=[]).values()
    # Of torch and urllib3: what processor, where CUDA is, is there IPv6.
    own = ("subprocess.Popen ('lscpu'", "subprocess.Popen ('/sbin/ldconfig'", "os.posix_spawn ('/sbin/ldconfig'",
           "socket.bind (<socket")  # fmt: skip
    assert done.status == 0, done.err
    assert [line for line in done.log.splitlines() if not line.startswith(own)] == []
    assert set(json.loads(done.out)) == {"text", "prediction", "prob_con", "prob_pro"}


@pytest.fixture(scope="module")
def refused_changes(trained, good, reviews_once, once) -> dict[str, tuple[Path, Outcome]]:
    """What infer.py and test_code.py say to the model of each case, and where that model is."""

    def make(tmp: Path) -> list:
        commands, folders = {}, {}
        for name, (harm, _) in CHANGED.items():
            folders[name] = Path(shutil.copytree(trained[0], tmp / "models" / name / "model"))
            for code in good.glob("*.py"):
                shutil.copy(code, folders[name])
            harm(folders[name])
            for script, options in (("infer.py", ["--text", "a"]), ("test_code.py", ["--data_dir", reviews_once])):
                command = [script, "--model_dir", folders[name], "--device", "cpu", *options]
                commands[f"{name} {script}"] = (folders[name], command)
        return [{name: str(folder) for name, folder in folders.items()}, run_watched(tmp / "runs", commands)]

    folders, outcomes = once("changed", make)
    return {name: (Path(folders[name.rsplit(" ", 1)[0]]), outcome) for name, outcome in told(outcomes).items()}


@pytest.mark.parametrize("script", ["infer.py", "test_code.py"])
@pytest.mark.parametrize("name", CHANGED)
def test_a_model_of_ours_that_was_changed_is_refused_in_a_sentence(refused_changes, name, script):
    folder, done = refused_changes[f"{name} {script}"]
    lines = done.err.splitlines()
    assert done.status == 2, done.err
    assert all(line.startswith("error: ") and str(folder) in line for line in lines), done.err
    assert re.search(CHANGED[name][1], lines[0]), done.err
    assert done.log == ""
    assert not (folder.parent / MARKER).exists()


# -- the check is checked ---------------------------------------------------------------------------------------------

MISDEEDS = {  # event: a script that causes it
    "socket.getaddrinfo": "import socket; socket.getaddrinfo('localhost', 80)",
    "socket.connect": "import socket; socket.socket().connect_ex(('127.0.0.1', 9))",
    "subprocess.Popen": "import subprocess; subprocess.run(['true'])",
    "os.system": "import os; os.system('true')",
    "os.fork": "import os\nif os.fork() == 0: os._exit(0)",
    "os.posix_spawn": "import os; os.posix_spawn('/bin/true', ['true'], {})",
    "pickle.find_class": "import pickle; pickle.load(open('WATCHED/data.pkl', 'rb'))",
    "compile": "import runpy; runpy.run_path('WATCHED/code.py')",
    "exec": "import sys; sys.path.insert(0, 'WATCHED'); import code_of_the_model",
    "ctypes.dlopen": "import ctypes\ntry: ctypes.CDLL('WATCHED/library.so')\nexcept OSError: pass",
    "open": "open('WATCHED/written', 'w').close()",
    "os.mkdir": "import os; os.mkdir('WATCHED/made')",
    "os.rename": "import os; os.rename('WATCHED/data.pkl', 'WATCHED/moved.pkl')",
}


def test_the_hook_sees_what_it_is_there_to_see(tmp_path):
    commands = {}
    for event, code in MISDEEDS.items():
        folder = tmp_path / "watched" / event
        folder.mkdir(parents=True)
        put(folder, "data.pkl", pickle.dumps(Evil(tmp_path / MARKER)))
        put(folder, "code.py", "x = 1\n")
        put(folder, "code_of_the_model.py", "x = 1\n")
        put(tmp_path, f"{event}.py", code.replace("WATCHED", str(folder)))
        commands[event] = (folder, [tmp_path / f"{event}.py"])
    put(tmp_path, "nothing.py", "print('nothing')")
    commands["nothing"] = (tmp_path / "watched", [tmp_path / "nothing.py"])
    outcomes = run_watched(tmp_path / "runs", commands, preload=[])
    assert outcomes.pop("nothing") == (0, "nothing\n", "", "")
    for event, done in outcomes.items():
        assert done.status == 0, done.err
        assert event in {line.split(" ")[0] for line in done.log.splitlines()}, (event, done.log)
    assert (tmp_path / MARKER).exists()  # what is in the pickles of these tests does run where one is read


def test_the_endless_expression_does_end_badly_where_it_is_not_refused():
    code = f"""
from tokenizers import Regex, Tokenizer
from tokenizers.models import WordPiece
from tokenizers.pre_tokenizers import Split
tokenizer = Tokenizer(WordPiece({{"[UNK]": 0}}, unk_token="[UNK]"))
tokenizer.pre_tokenizer = Split(Regex({ENDLESS!r}), "isolated")
tokenizer.encode("a" * 40 + "!")
"""
    try:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", timeout=TOO_LONG)
    except subprocess.TimeoutExpired:
        return  # it hangs
    assert "PanicException" in done.stderr  # it gives up, in a way that `except Exception` does not catch


# -- labels -----------------------------------------------------------------------------------------------------------

GIVEN_LABELS = [
    "two\nlines", 'a "quoted" one', "it's", "../../../etc/passwd", "C:\\con\\nul", "<script>alert(1)</script>",
    "a`b``c", "---", "- [x](javascript:alert(1))", "key: value # no comment", "a, b;c\td", "__proto__", "=1+1",
    "😀 差评", "| a | b |", "{0} %s {model}", "\u202eright to left",
    "!!python/object/apply:os.system ['true']", "x" * 10_000,
]  # fmt: skip
LABELS = [label.removeprefix("\u202e") for label in GIVEN_LABELS]  # marks of the direction of writing do not count


@pytest.fixture(scope="module")
def labelled(good, once) -> tuple[Path, dict[str, Outcome]]:
    """A run with strange labels, scored and used."""

    def make(tmp: Path) -> list:
        data, output = tmp / "data", tmp / "runs" / "main" / "output"
        data.mkdir()
        for name in ("trainset", "validset", "testset"):
            with (data / f"{name}.csv").open("w", encoding="utf-8", newline="") as stream:
                csv.writer(stream).writerows(
                    [("text", "label"), *(("the food was good", label) for label in GIVEN_LABELS)]
                )
        put(data, "unlabelled.csv", "text\nthe food was good\n")
        ours = ("--model_dir", output / "bert_classifier", "--data_dir", data, "--device", "cpu")
        commands = {
            "main": (good, training(good, data, output)),
            "test": (output, ["test_code.py", *ours, "--output_dir", tmp / "runs" / "test" / "output"]),
            "infer": (output, ["infer.py", *ours, "--output_file", tmp / "runs" / "infer" / "p.csv"]),
            "safe": (output, ["infer.py", *ours, "--output_file", tmp / "runs" / "safe" / "p.csv", "--excel_safe"]),
        }
        return [str(tmp / "runs"), run_watched(tmp / "runs", commands)]

    folder, outcomes = once("labelled", make)
    return Path(folder), told(outcomes)


def test_labels_of_any_characters_are_trained_scored_and_predicted_and_stay_what_they_are(labelled):
    runs, outcomes = labelled
    for name, done in outcomes.items():
        assert (done.status, done.log) == (0, ""), (name, done.err)
    folder = runs / "main" / "output" / "bert_classifier"
    saved = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert [saved["id2label"][str(i)] for i in range(len(LABELS))] == sorted(LABELS)
    assert saved["label2id"] == {label: i for i, label in enumerate(sorted(LABELS))}
    assert json.loads((folder / "run.json").read_text(encoding="utf-8"))["labels"] == sorted(LABELS)
    with (runs / "infer" / "p.csv").open(encoding="utf-8", newline="") as stream:
        names, row = csv.reader(stream, strict=True)
    assert names == ["text", "prediction", *(f"prob_{label}" for label in sorted(LABELS))]
    assert row[1] in LABELS
    assert sum(map(float, row[2:])) == pytest.approx(1, abs=1e-6)
    with (runs / "test" / "output" / "test" / "predictions.csv").open(encoding="utf-8", newline="") as stream:
        assert sorted(row["label"] for row in csv.DictReader(stream, strict=True)) == sorted(GIVEN_LABELS)
    scores = json.loads((runs / "test" / "output" / "test" / "metrics.json").read_text(encoding="utf-8"))
    assert set(scores["per_class"]) == set(LABELS)


def test_no_path_is_made_from_a_label(labelled):
    output = labelled[0] / "main" / "output"
    made = {path.name for path in output.rglob("*") if not path.match("checkpoint/state-*.safetensors")}
    assert made <= {
        "bert_classifier", "checkpoint", "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
        "special_tokens_map.json", "vocab.txt", "run.json", "README.md", "metrics.jsonl", "train.log", "curves.png",
        "state.json", "validation_scores.safetensors", ".lock",
    }  # fmt: skip


def test_the_model_card_shows_the_labels_and_does_nothing_with_them(labelled):
    yaml = pytest.importorskip("yaml")
    text = (labelled[0] / "main" / "output" / "bert_classifier" / "README.md").read_text(encoding="utf-8")
    _, head, body = text.split("---\n", 2)
    assert set(yaml.safe_load(head)) == {"pipeline_tag", "library_name", "tags", "model-index"}
    shown = [line for line in body.splitlines() if line.startswith("- ")]
    assert len(shown) == len(LABELS)
    for line, label in zip(shown, sorted(LABELS), strict=True):
        code = re.fullmatch(r"- (`+) ?(.*?) ?\1", line)
        assert code[2].rstrip("…") in label.replace("\n", "\\n").replace("\t", "\\t")
        assert code[1] not in re.findall("`+", code[2])
        assert len(line) < 220
