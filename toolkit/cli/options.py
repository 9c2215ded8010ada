"""The command line options of the three scripts. Nothing heavy is imported here, so --help is immediate."""

import argparse
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

from toolkit.base.errors import UserError
from toolkit.base.languages import LANGUAGES
from toolkit.cli.class_weights import ClassWeightAction
from toolkit.cli.label_names import MapLabels
from toolkit.cli.parser import Introduction, Parser, number, options_on_command_line, path
from toolkit.cli.sections import (
    FineTuningOptions,
    InferenceOptions,
    Record,
    ScoringOptions,
    options_from,
)
from toolkit.cli.texts import COMBINATIONS, PACKAGES, VALUES

# fmt: off
LARGEST_SEED = 2**63 - 1
EPILOG = "@FILE in place of an option reads further options from FILE."
TRAINING = Introduction(
    "Fine-tune a BERT text classifier on data/trainset.*, keeping the epoch that is best on data/validset.*. What is not given is chosen for the data.",
    {
        "python main.py": "learn from data/trainset.* into output/",
        "python main.py --train_file reviews.csv --output_dir reviews": "learn from a file of your own",
        "python main.py --model hfl/chinese-bert-wwm --check_data": "only look at the data, with the tokenizer of that model",
    },
    ("--train_file", "--valid_file", "--test_file", "--text_column", "--label_column", "--multi_label", "--model", "--max_length", "--epochs", "--learning_rate", "--batch_size", "--micro_batch_size", "--metric", "--check_data", "--output_dir", "--overwrite", "--resume", "--device"),
    file_option="--train_file",
)
SCORING = Introduction(
    "Score the saved model on data/testset.* and write metrics.json, predictions.csv and report.html.",
    {
        "python test_code.py": "score output/bert_classifier on data/testset.*",
        "python test_code.py --model_dir reviews/bert_classifier --test_file new.csv": "score another model on another file",
        "python test_code.py --compare other_output": "is the difference to another run more than chance?",
    },
    ("--model_dir", "--test_file", "--text_column", "--label_column", "--threshold", "--compare", "--batch_size", "--device", "--output_dir", "--report_language"),
    file_option="--test_file",
)
INFERENCE = Introduction(
    "Write a prediction and the probability of every label for each unlabelled row.",
    {
        "python infer.py --text 'The soup was cold.'": "classify one text",
        "python infer.py --input_file reviews.csv --output_file answers.csv": "classify the rows of a file",
        "python infer.py --abstain_below 0.8": "leave the unsure ones of data/unlabelled.* to a person",
    },
    ("--model_dir", "--text", "--input_file", "--output_file", "--text_column", "--threshold", "--abstain_below", "--top_k", "--batch_size", "--device", "--overwrite"),
    file_option="--input_file",
    text_option="--text",
)
_count = number(int, 1)
_count_or_off = number(int, 0)
_positive = number(float, 0, above=True)
_not_negative = number(float, 0)
_share = number(float, 0, 1)
_below_one = number(float, 0, 1 - 1e-9)
_accuracy = number(float, 0, 1 - 1e-9, above=True)
_threshold = number(float, 0, 1)
_seed = number(int, 0, LARGEST_SEED)
SWITCH = argparse.BooleanOptionalAction
FORMATS = ("auto", "fp32", "bf16", "fp16")
METRICS = ("accuracy", "macro_f1", "f1", "mcc", "loss")
LABEL_SET_METRICS = ("micro_f1", "macro_f1", "sample_f1", "subset_accuracy", "loss")  # of --multi_label


def _auto_or(convert: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return a converter that leaves the word auto as it is."""

    def parse(word: str) -> Any:
        """Return auto, or the value that the word stands for."""
        return word if word == "auto" else convert(word)

    return parse


def _separator(word: str) -> str:
    """Return the name of a separator, or the character."""
    if word in ("auto", "comma", "semicolon", "tab", "bar"):
        return word
    word = {"\\t": "\t"}.get(word, word)
    if len(word) != 1 or word in "\"\\\r\n\0":
        raise argparse.ArgumentTypeError(VALUES["separator"].fill(word=repr(word)))
    return word


def _label_separator(word: str) -> str:
    """Return what stands between the labels of a row."""
    word = {"\\t": "\t"}.get(word, word)
    if not word or re.search("[\"\r\n\0]", word):
        raise argparse.ArgumentTypeError(VALUES["label_separator"].fill(word=repr(word)))
    return word


def _trained_part(word: str) -> str:
    """Return all, head, lora or top:N, which say what is trained."""
    if not re.fullmatch("all|head|lora|top:[1-9][0-9]{0,3}", word):
        raise argparse.ArgumentTypeError(VALUES["trained_part"].fill(word=repr(word)))
    return word


def _column_names(words: str) -> str:
    """Return names of columns with commas between, without blanks around them."""
    names = [name.strip() for name in words.split(",")]
    if not all(names) or len(set(names)) < len(names):
        raise argparse.ArgumentTypeError(VALUES["column_names"].fill(words=repr(words)))
    return ",".join(names)


def _add_reading(group: argparse._ArgumentGroup, on_bad_rows: str) -> None:
    group.add_argument("--encoding", metavar="NAME", help="encoding of the files, such as gb18030 (default: utf-8, GB18030, UTF-16 and what is clearly another encoding are detected)")
    keep = ["keep"] if on_bad_rows == "keep" else []
    kept = "; keep: write them with an empty prediction, and list them there too" if keep else ""
    group.add_argument("--on_bad_rows", default=on_bad_rows, choices=["stop", "skip", *keep], help=f"rows that cannot be used; stop: report them and stop; skip: leave them out and list them, with the reason, in rejected_rows.csv{kept}")
    group.add_argument("--separator", type=_separator, default="auto", metavar="NAME", help="what stands between the fields of csv and tsv files: comma, semicolon, tab, bar, or the character itself; auto detects it from the beginning of each file")
    group.add_argument("--escape", default="auto", choices=["auto", "none", "backslash"], help="whether a backslash in csv and tsv files takes its meaning from the quote, separator or line break behind it; auto detects it from the beginning of each file")
    group.add_argument("--no_header", action="store_true", help="the first line of csv and tsv files is a row; text and label are told apart by what is in them (default: detected from the beginning of each file)")
    group.add_argument("--columns", type=_column_names, metavar="NAMES", help="names of the columns of csv, tsv, xlsx and txt files without a header, in their order, such as label,text (default: named by what is in them)")


def _add_map_labels(group: argparse._ArgumentGroup, default: str) -> None:
    group.add_argument("--map_labels", action=MapLabels, nargs="+", metavar="OLD=NEW", help=f"what labels of the files are to be called, or a csv or json file of old and new names; run.json keeps it, and test_code.py goes by it (default: {default})")


def _add_text_columns(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--text_column", metavar="NAME", help="column of the text (default: as in training, or if the file has none of that name one that clearly is the text)")
    group.add_argument("--pair_column", metavar="NAME", help="column of the second text (default: as in training)")


def _add_machine(group: argparse._ArgumentGroup, formats: tuple[str, ...] = FORMATS) -> None:
    group.add_argument("--precision", default="auto", choices=formats, help="number format of matrix products; auto takes the fastest that is safe on this machine")
    group.add_argument("--fast", action=SWITCH, default=True, help="skip what the classifier never reads and, on a CPU, padding; draw dropout and lay out weights in faster ways; the results are the same but for rounding and the dropout drawn")
    group.add_argument("--device", default="auto", metavar="NAME", help="cpu, cuda, cuda:1 or mps; auto takes the best available")


def _add_saved_model(parser: Parser) -> argparse._ArgumentGroup:
    group = parser.add_argument_group("model and machine")
    group.add_argument("--model_dir", dest="model_dirs", nargs="+", default=["output/bert_classifier"], type=path, metavar="DIR", help="the model directory that main.py wrote; the probabilities of several with the same labels are averaged")
    group.add_argument("--batch_size", type=_count, default=32, metavar="ROWS", help="rows that go through the model at once")
    group.add_argument("--calibrated", action=SWITCH, default=True, help="divide the logits by the temperature in run.json, so that of the validation rows predicted with 0.8, say, about eight in ten are right; it changes no prediction")
    group.add_argument("--threshold", type=_threshold, metavar="PROBABILITY", help="for two labels: predict the positive one where its calibrated probability is at least this; of a --multi_label run: each label (default: as in run.json, else whichever is most probable)")
    _add_machine(group, (*FORMATS, "int8"))
    group.add_argument("--min_agreement", type=_share, default=0.999, metavar="SHARE", help="--precision int8 (x86 processors only) stops if a smaller share of up to 1,000 rows from all over the file keeps the label that fp32 gives (0: no comparison)")
    return group


def _add_language(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--language", default="auto", choices=["auto", *LANGUAGES], help="language of the lines that are printed: en or zh; auto takes Chinese where it is the system's language (LC_ALL, LC_MESSAGES, LANG) and the terminal can show it")


def _add_report(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--report_language", default="auto", choices=["auto", *LANGUAGES], help="language of report.html: en or zh; auto takes that of the printed lines")
    group.add_argument("--explain_rows", type=number(int, 0, 200), default=20, metavar="ROWS", help="number of errors, the most confident ones, for which report.html marks the words that mattered; each takes about as long as scoring 24 rows (0: none)")


def _add_data(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--data_dir", default="data", type=path, metavar="DIR", help="folder in which trainset.*, validset.* and testset.* are looked for")
    group.add_argument("--train_file", type=path, metavar="FILE", help="labelled rows to learn from: csv, tsv, json, jsonl, txt, xlsx or parquet, also as gz or zip, several by a pattern such as 'part-*.csv', or a folder with one folder of texts a label (default: trainset.* of --data_dir)")
    group.add_argument("--valid_file", "--validation_file", "--dev_file", type=path, metavar="FILE", help="labelled rows that choose the best epoch (default: validset.* of --data_dir; without one, or with --train_file, a part of the training rows)")
    group.add_argument("--test_file", type=path, metavar="FILE", help="labelled rows to score once training is done (default: left to test_code.py)")
    group.add_argument("--valid_ratio", type=number(float, 0, 0.9, above=True), default=0.1, metavar="SHARE", help="share of the training rows, the same for each label as nearly as groups and duplicates allow, that is held out where there is no validset")
    group.add_argument("--text_column", default="text", metavar="NAME", help="column of the text; where none is called text, one that clearly is the text by its name or content is taken, and the data line says so")
    group.add_argument("--pair_column", metavar="NAME", help="column of the second text of a pair (default: text_pair where the training file has it)")
    group.add_argument("--label_column", default="label", metavar="NAME", help="column of the label; where none is called label, one that clearly is the label is taken, and the data line says so")
    group.add_argument("--multi_label", action=SWITCH, default=False, help="a row may have several labels, or none: each label is predicted by itself (default: each row has one label)")
    group.add_argument("--label_separator", type=_label_separator, metavar="TEXT", help="of --multi_label: what stands between the labels in a cell of --label_column, and in predictions; a list of json, jsonl and parquet needs none (default: ;)")
    group.add_argument("--label_columns", nargs="+", metavar="NAME", help="of --multi_label: one column for each label, with 1 or true where a row has it, else 0 or false (default: the labels stand in --label_column)")
    group.add_argument("--group_column", metavar="NAME", help="column of what rows have in common, such as user_id: rows with the same text there never stand on both sides of a split, that is of the rows held out for validation or of folds, and the findings say which groups stand in two files; a row whose cell is empty is a group of its own (default: no groups)")
    _add_map_labels(group, "as they stand there")
    _add_reading(group, on_bad_rows="stop")
    group.add_argument("--keep_duplicates_together", action=SWITCH, default=True, help="keep rows whose texts are equal or nearly equal, as the findings have it, on one side of the rows held out for validation and of folds")
    group.add_argument("--drop_leaked", action=SWITCH, default=False, help="leave out of training the rows that are also in the validation file or in the testset of --data_dir (or --test_file), ignoring spaces, width, case and traditional characters; with --group_column also those whose group is there")
    group.add_argument("--check_data", action=SWITCH, default=False, help="read, check and tokenize the data, report on it, and stop before training")
    group.add_argument("--find_label_errors", action=SWITCH, default=False, help="instead of a run, write the labelled rows whose labels are probably wrong to label_errors.csv in --output_dir; this trains --folds models, each of which predicts rows that it has not seen, and keeps none of them; a run in --output_dir stays as it is (needs the package cleanlab)")
    group.add_argument("--folds", type=number(int, 2), default=5, metavar="N", help="parts into which --find_label_errors divides the training and validation rows; each is predicted by a model trained on the others")


def _add_model(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--model", "--model_name_or_path", "--model_checkpoint", metavar="NAME", help="pretrained model: a hub id such as hfl/chinese-bert-wwm, with @REVISION if need be, or a local directory (default: all-MiniLM-L6-v2, English, which is installed with this project)")
    group.add_argument("--max_length", "--max_seq_length", type=_count, metavar="TOKENS", help="longer rows are truncated, or become windows of so many (default: as many as the model can take)")
    group.add_argument("--truncation", default="auto", choices=["auto", "longest_first", "only_first", "only_second", "head_tail"], help="what an overlong row loses: the end of the longer text of a pair, of the first text, of the second (and of the other if that is not enough), or the middle (head_tail); auto takes head_tail where more than 5%% of the training rows are overlong, else longest_first")
    group.add_argument("--long_texts", default="truncate", choices=["truncate", "windows"], help="what becomes of rows longer than --max_length; truncate: see --truncation; windows: overlapping windows, each trained on with the label of the row, that count as one row together, and whose logits are averaged in every prediction")
    group.add_argument("--stride", type=_count_or_off, metavar="TOKENS", help="of --long_texts windows: tokens that a window shares with the one before, as the stride of tokenizers (default: a quarter of what a window has room for; 0: none)")
    group.add_argument("--max_windows", type=_count, metavar="N", help="of --long_texts windows: most windows of a row; of a longer one so many are read, evenly spaced from its beginning to its end (default: 16)")
    group.add_argument("--max_unknown", type=_share, default=0.2, metavar="SHARE", help="stop when more than this share of the characters is unknown to the tokenizer (1: never)")
    group.add_argument("--trim_vocabulary", action=SWITCH, default=False, help="keep of the model's vocabulary only the tokens that the training, validation and test texts use, common ones in the same letters, and all single characters, of which other texts are put together: a multilingual model becomes a fraction of its size and trains faster. Not for --train head, top:N and lora")
    group.add_argument("--dropout", type=_below_one, metavar="SHARE", help="dropout of the whole model (default: the model's own; 0: none)")
    group.add_argument("--head", default="model", choices=["model", "cls", "mean", "mlp"], help="what gives the scores; model: the head of the model's architecture, which transformers.pipeline loads; cls: a layer on the last hidden state of the first token, without a pooler; mean: a layer on the mean of the last hidden states of all tokens; mlp: mean, with hidden layers")
    group.add_argument("--head_layers", type=number(int, 1, 100), metavar="N", help="hidden layers, with GELU and as wide as the model's, before the scores of --head cls, mean and mlp (default: 1 of mlp, none of the others)")
    group.add_argument("--head_dropout", type=_below_one, metavar="SHARE", help="dropout before each layer of --head cls, mean and mlp (default: as --dropout, else 0.1)")
    group.add_argument("--pooling", default="auto", choices=["auto", "own", "mean"], help="what of a text the head reads; own: what the architecture gives it, of BERT the first token; mean: the mean over all tokens, by one more layer, in models of BERT's kind; auto takes that on which a linear probe has the lower validation loss")
    group.add_argument("--head_start", default="auto", choices=["auto", "probe", "random"], help="how the last layer of a new head begins; auto: by probe, for 500 pairs of texts or more random; probe: with the weights of a linear probe, that is logistic regression on what the pretrained model makes of the training rows; random: as transformers does")
    group.add_argument("--keep_head", action=SWITCH, default=False, help="of a --model that is a classifier already, take its head as it is, its first label for the first of the data and so on; otherwise the head is kept where its labels have the names of those of the data, in any order, and else a new one is begun (default: off)")


def _add_training(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--train", type=_trained_part, default="all", metavar="PART", help="which weights are trained: all; head: the classification head alone; top:N: the head and the last N layers of the encoder; lora: the head and small matrices beside those of the encoder (needs the package peft). Of a part, that part alone is saved, and is of use only where the --model is")
    group.add_argument("--lora_rank", type=_count, default=8, metavar="N", help="of --train lora: rank of the product of the two matrices beside each weight")
    group.add_argument("--lora_alpha", type=_count, default=16, metavar="N", help="of --train lora: the product is multiplied by this, divided by --lora_rank")
    group.add_argument("--lora_dropout", type=_below_one, default=0.0, metavar="SHARE", help="of --train lora: dropout of what goes into the two matrices (0: none)")
    group.add_argument("--epochs", "--num_train_epochs", type=_auto_or(_count), default="auto", metavar="N", help="passes over the training rows; auto takes more of them where there are few rows")
    group.add_argument("--batch_size", type=_count, default=16, metavar="ROWS", help="rows per step, over all devices and processes together")
    group.add_argument("--micro_batch_size", type=_count, metavar="ROWS", help="rows that one device processes at once; fewer take less memory and give the same result (default: the whole batch)")
    group.add_argument("--learning_rate", type=_auto_or(_positive), default="auto", metavar="RATE", help="peak learning rate of AdamW; auto goes by the size of the model and what of it is trained")
    group.add_argument("--weight_decay", type=_not_negative, default=0.01, metavar="RATE", help="decoupled weight decay, none on biases and LayerNorm (0: off)")
    group.add_argument("--adam_beta1", type=_below_one, default=0.9, metavar="SHARE", help="decay rate of AdamW's running mean of gradients")
    group.add_argument("--adam_beta2", type=_below_one, default=0.999, metavar="SHARE", help="decay rate of AdamW's running mean of squared gradients")
    group.add_argument("--adam_epsilon", type=_positive, default=1e-8, metavar="X", help="term that keeps AdamW from dividing by zero")
    group.add_argument("--warmup_ratio", "--warmup_proportion", type=_share, default=0.1, metavar="SHARE", help="share of all steps during which the learning rate rises from 0 (0: off)")
    group.add_argument("--scheduler", default="linear", choices=["linear", "cosine", "constant"], help="shape of the learning rate after the warmup")
    group.add_argument("--max_grad_norm", type=_not_negative, default=1.0, metavar="NORM", help="clip gradients to this norm (0: off)")
    group.add_argument("--loss", default="cross_entropy", choices=["cross_entropy", "focal", "label_smoothing"], help="what the steps make smaller; focal: rows that are already right count less; label_smoothing: a share of the target goes to all labels alike; valid loss is the plain cross entropy whatever this is")
    group.add_argument("--focal_gamma", type=_positive, metavar="GAMMA", help="power of --loss focal: the higher, the less easy rows count (default: 2)")
    group.add_argument("--label_smoothing", type=_below_one, metavar="SHARE", help="share of the target that --loss label_smoothing gives to all labels in equal parts (default: 0.1)")
    group.add_argument("--class_weight", action=ClassWeightAction, nargs="+", default="none", metavar="LABEL=WEIGHT", help="how much the training rows of a label count, for labels that are rare or matter more: none (all alike), balanced (the rows of each label together count the same), or a weight for some of the labels (the others have 1)")
    group.add_argument("--teacher", nargs="+", type=path, metavar="DIR", help="also learn from the probabilities that an earlier run's model gives the training rows, or the mean of those that several give; they need the same labels, and may be larger (default: learn from the labels alone)")
    group.add_argument("--unlabelled_file", type=path, metavar="FILE", help="of --teacher: texts without labels, in any format of the other files, that are learned from as the teachers predict them (default: the training rows alone)")
    group.add_argument("--metric", default="auto", choices=["auto", *METRICS, *(name for name in LABEL_SET_METRICS if name not in METRICS)], metavar="SCORE", help="score that selects the best epoch: accuracy, macro_f1, f1 (of --positive_label), mcc or loss; with --multi_label micro_f1, macro_f1, sample_f1, subset_accuracy or loss; auto: accuracy, with --multi_label micro_f1")
    group.add_argument("--positive_label", metavar="LABEL", help="of two labels, the one that f1 and the ROC curve are for (default: the second in order)")
    group.add_argument("--threshold", type=_auto_or(_threshold), metavar="PROBABILITY", help="for two labels: predict the positive one where its calibrated probability is at least this; auto: the one at which --metric is best on the validation set, or for more labels a bias for each, kept only if --metric is surely better with it; with --multi_label it is that of every label, and auto chooses one for each (default: whichever is most probable; with --multi_label auto)")
    group.add_argument("--eval_steps", type=_auto_or(_count_or_off), default="auto", metavar="STEPS", help="also evaluate every this many steps (0: only at the end of each epoch); auto evaluates about ten times in a run of few epochs, less often where the validation set is large")
    group.add_argument("--early_stopping", type=_auto_or(_count_or_off), default="auto", metavar="N", help="stop after this many evaluations without improvement (0: off); auto stops runs of ten epochs or more when half of them brought none")
    group.add_argument("--save_steps", type=_count_or_off, default=0, metavar="STEPS", help="also write the checkpoint every this many steps (0: only at each evaluation)")
    group.add_argument("--max_bad_steps", type=_count_or_off, default=10, metavar="N", help="give up after more than this many steps whose loss or gradient is not a number; such steps leave the weights as they are (0: at the first)")
    group.add_argument("--seed", type=_seed, default=42, metavar="N", help="seed of the new weights, the order of the rows and dropout")
    group.add_argument("--split_seed", type=_seed, metavar="N", help="seed that decides which rows are held out for validation (default: that of --seed)")
    group.add_argument("--seeds", type=number(int, 1, 1000), default=1, metavar="N", help="runs to train, with the seeds --seed, --seed + 1 and so on; the best by --metric is kept, and seeds.json has the scores of all, their mean and standard deviation (1: a single run)")


def _check_windows(args: argparse.Namespace) -> None:
    """Raise UserError for an option of windows where there are none; with --resume the run decides that."""
    for name in ("stride", "max_windows"):
        if getattr(args, name) is not None and args.long_texts != "windows" and not args.resume:
            raise UserError(COMBINATIONS["windows"].fill(name=name))


def _check_teaching(args: argparse.Namespace) -> None:
    """Raise UserError for options that --teacher cannot go with; with --resume the run decides whether it has one."""
    if args.teacher is None:
        if args.unlabelled_file is not None and not args.resume:
            raise UserError(COMBINATIONS["unlabelled"])
        return
    conflicting = []
    if args.loss != "cross_entropy":
        conflicting.append(f"--loss {args.loss}")
    if args.class_weight != "none":
        conflicting.append("--class_weight")
    if args.find_label_errors:
        conflicting.append("--find_label_errors")
    if conflicting:
        raise UserError(*(COMBINATIONS["with"].fill(option="--teacher", other=option) for option in conflicting))


def _check_label_sets(args: argparse.Namespace) -> None:
    """Raise UserError for options that do not go with --multi_label, or only with it; with --resume the run decides."""
    if args.resume and not args.multi_label:
        return
    metrics = LABEL_SET_METRICS if args.multi_label else METRICS
    if args.metric not in ("auto", *metrics):
        own = COMBINATIONS["label_sets_metric" if args.multi_label else "metric"]
        raise UserError(own.fill(metric=args.metric, others=", ".join(metrics)))
    if args.multi_label:
        _check_label_set_options(args)
        return
    for name in ("label_separator", "label_columns"):
        if getattr(args, name) is not None:
            raise UserError(COMBINATIONS["label_sets"].fill(name=name))


def _check_label_set_options(args: argparse.Namespace) -> None:
    """Raise UserError for options that --multi_label does not support, and for what makes no sense of its own."""
    names = ("keep_head", "teacher", "positive_label")
    unsupported = [f"--{name}" for name in names if getattr(args, name)]
    if args.loss != "cross_entropy":
        unsupported.append(f"--loss {args.loss}")
    if args.class_weight != "none":
        unsupported.append("--class_weight")
    if unsupported:
        raise UserError(*(COMBINATIONS["without_label_sets"].fill(option=option) for option in unsupported))
    if args.label_columns is None:
        return
    if args.label_column != "label":
        raise UserError(COMBINATIONS["with"].fill(option="--label_columns", other="--label_column"))
    if len(set(args.label_columns)) < len(args.label_columns):
        raise UserError(COMBINATIONS["label_columns_twice"].fill(columns=" ".join(args.label_columns)))


def _check_training(args: argparse.Namespace) -> None:
    """Raise UserError for options that do not go together, and for one whose package is not there."""
    if args.train == "lora" and find_spec("peft") is None:
        raise UserError(PACKAGES["peft"])
    for name, loss in (("focal_gamma", "focal"), ("label_smoothing", "label_smoothing")):
        if getattr(args, name) is not None and args.loss != loss:
            raise UserError(COMBINATIONS["loss"].fill(name=name, loss=loss, own=args.loss))
    for name in ("head_layers", "head_dropout"):
        if getattr(args, name) is not None and args.head == "model":
            raise UserError(COMBINATIONS["head"].fill(name=name))
    _check_windows(args)
    _check_teaching(args)
    _check_label_sets(args)
    if args.pooling == "mean" and args.head != "model":
        raise UserError(COMBINATIONS["pooling_head"].fill(head=args.head))
    if args.pooling == "mean" and args.train != "all":
        raise UserError(COMBINATIONS["pooling_part"].fill(train=args.train))
    if args.trim_vocabulary and args.train != "all":
        raise UserError(COMBINATIONS["vocabulary_part"].fill(train=args.train))
    if args.find_label_errors:
        _check_label_search(args)


def _check_label_search(args: argparse.Namespace) -> None:
    """Raise UserError for options that --find_label_errors cannot go with, and if its package is not there."""
    conflicting = [name for name in ("resume", "check_data") if getattr(args, name)]
    if args.early_stopping not in ("auto", 0):
        conflicting.append("early_stopping")
    if args.seeds > 1:
        conflicting.append("seeds")
    if conflicting:
        raise UserError(*(COMBINATIONS["with"].fill(option="--find_label_errors", other=f"--{name}") for name in conflicting))
    if find_spec("cleanlab") is None:
        raise UserError(PACKAGES["cleanlab"])


def training_parser() -> Parser:
    """Return the parser of main.py."""
    parser = Parser(TRAINING, _check_training, prog="main.py", epilog=EPILOG)
    _add_data(parser.add_argument_group("data"))
    _add_model(parser.add_argument_group("model"))
    _add_training(parser.add_argument_group("training"))
    _add_machine(parser.add_argument_group("machine"))
    group = parser.add_argument_group("output")
    group.add_argument("--output_dir", default="output", type=path, metavar="DIR", help="where the run directory is written")
    group.add_argument("--tensorboard", action=SWITCH, default=False, help="also write the scores of each evaluation to tensorboard/ in --output_dir (needs the package tensorboard)")
    group.add_argument("--overwrite", action=SWITCH, default=False, help="replace a finished run in --output_dir")
    group.add_argument("--merge", type=path, metavar="DIR", help="of --train head, top:N and lora: in the end also write the whole model to this directory, for transformers.pipeline and others; infer.py --merge does it later (default: what was trained alone is saved)")
    group.add_argument("--resume", action=SWITCH, default=False, help="continue the run in --output_dir from its last checkpoint, with its options; start one if there is none")
    _add_language(group)
    _add_report(group)
    return parser


def scoring_parser() -> Parser:
    """Return the parser of test_code.py."""
    parser = Parser(SCORING, prog="test_code.py", epilog=EPILOG)
    group = parser.add_argument_group("data")
    group.add_argument("--test_file", type=path, metavar="FILE", help="labelled rows to score (default: testset.* of --data_dir)")
    group.add_argument("--compare", type=path, metavar="OTHER_RUN", help="directory of another run that test_code.py has scored on the same file: report whether the difference to it is more than chance (default: no comparison)")
    group.add_argument("--data_dir", default="data", type=path, metavar="DIR", help="folder in which testset.* is looked for")
    _add_text_columns(group)
    group.add_argument("--label_column", metavar="NAME", help="column of the label (default: as in training, or if the file has none of that name one that clearly is the label)")
    _add_map_labels(group, "as in training")
    _add_reading(group, on_bad_rows="skip")
    _add_saved_model(parser)
    group = parser.add_argument_group("output")
    group.add_argument("--output_dir", type=path, metavar="DIR", help="write the results to test/ in this directory (default: the one that holds the model directory)")
    _add_language(group)
    _add_report(group)
    return parser


def _check_inference(args: argparse.Namespace) -> None:
    """Raise UserError for options of infer.py that do not go together."""
    if args.abstain_below is not None and args.abstain_for is not None:
        raise UserError(COMBINATIONS["with"].fill(option="--abstain_below", other="--abstain_for"))
    if args.rank is not None and args.text is not None:
        raise UserError(COMBINATIONS["with"].fill(option="--rank", other="--text"))


def inference_parser() -> Parser:
    """Return the parser of infer.py."""
    parser = Parser(INFERENCE, _check_inference, prog="infer.py", epilog=EPILOG)
    group = parser.add_argument_group("data")
    group.add_argument("--input_file", type=path, metavar="FILE", help="rows to classify: a file, several by a pattern such as 'part-*.csv', a folder of texts, or - for standard input (default: unlabelled.* of --data_dir)")
    group.add_argument("--output_file", type=path, metavar="FILE", help="file for the rows and their predictions, - for standard output (default: predictions.* in the format of the input, beside the model directory; for standard input, standard output)")
    group.add_argument("--input_format", choices=["csv", "tsv", "json", "jsonl", "txt"], help="format of standard input (default: txt, one text per line)")
    group.add_argument("--text", metavar="TEXT", help="classify this text and print the result as json; write --text=TEXT if it begins with -")
    group.add_argument("--text_pair", metavar="TEXT", help="the second text that goes with --text, for a model of pairs")
    group.add_argument("--data_dir", default="data", type=path, metavar="DIR", help="folder in which unlabelled.* is looked for")
    _add_text_columns(group)
    _add_reading(group, on_bad_rows="keep")
    group = _add_saved_model(parser)
    group.add_argument("--engine", default="auto", choices=["auto", "torch", "onnx"], help="what computes: torch, or onnxruntime with the model that --export onnx wrote, which starts at once and gives the same labels; auto takes onnx for --text, pipes and files of up to 200 rows where it can, else torch")
    group = parser.add_argument_group("output")
    group.add_argument("--merge", type=path, metavar="DIR", help="instead of predicting, write the whole model to this directory, for transformers.pipeline and others, where --model_dir has only the part that was trained (main.py --train) (default: predict)")
    group.add_argument("--export", choices=["onnx"], help="instead of predicting, write the model as ONNX to onnx/ in --model_dir, for onnxruntime, transformers.js and others: in fp32, and in int8 where that keeps the labels (--min_agreement); needs the packages onnx, onnxscript and onnxruntime (default: predict)")
    group.add_argument("--excel_safe", action=SWITCH, default=False, help="put ' before csv and tsv cells that a spreadsheet would run as a formula")
    group.add_argument("--top_k", type=_count_or_off, metavar="K", help="write only the K likeliest labels, as top1_label, top1_prob, and so on; 0 writes the probability of every label (default: 10 for a model of more than 100 labels, else 0)")
    group.add_argument("--abstain_below", type=_share, metavar="PROBABILITY", help="leave the prediction empty where its calibrated probability is below this, and add a column uncertain (default: a prediction for every row)")
    group.add_argument("--abstain_for", type=_accuracy, metavar="ACCURACY", help="leave the prediction empty where its probability is too low for so much accuracy of those that are given: the threshold is the one at which the validation rows show it with a confidence of 97.5%%; an error if they cannot (default: a prediction for every row)")
    group.add_argument("--abstain_unknown", type=_below_one, metavar="SHARE", help="leave the prediction empty where the text looks less like any of the labels than all but this share of the validation rows, by the energy of its logits: texts of no known kind (default: not looked for)")
    group.add_argument("--rank", choices=["uncertain"], help="write the rows in the order in which a person should label them: those first of which the model is least sure, and behind all others those that nearly equal an earlier one or are labelled already (default: in the order of the input)")
    group.add_argument("--prediction_prefix", metavar="TEXT", help="what the names of the added columns begin with, as in new_prediction, so that an input keeps columns of its own that are called prediction and prob_<label> (default: nothing)")
    group.add_argument("--overwrite", action=SWITCH, default=False, help="replace an output file that already exists, and columns of the input that are called prediction and prob_<label>")
    _add_language(group)
    return parser


def fine_tuning_options(words: Sequence[str] | None = None) -> FineTuningOptions:
    """Return the options of main.py from `words`, by default those of the command line; UserError for a mistake."""
    options = _parsed(training_parser(), FineTuningOptions, words)
    training = options.training
    several = options.data.several_labels
    if training.metric == "auto":
        training = replace(training, metric="micro_f1" if several else "accuracy")
    if training.threshold is None and several:
        training = replace(training, threshold="auto")
    return replace(options, training=training)


def scoring_options(words: Sequence[str] | None = None) -> ScoringOptions:
    """Return the options of test_code.py from `words`, by default those of the command line; UserError for a mistake."""
    return _parsed(scoring_parser(), ScoringOptions, words)


def inference_options(words: Sequence[str] | None = None) -> InferenceOptions:
    """Return the options of infer.py from `words`, by default those of the command line; UserError for a mistake."""
    return _parsed(inference_parser(), InferenceOptions, words)


def _parsed(parser: Parser, kind: type[Record], words: Sequence[str] | None) -> Record:
    namespace = parser.parse_args(words)
    return options_from(kind, vars(namespace), options_on_command_line(parser))
