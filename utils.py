"""The engine that main.py, test_code.py and infer.py share, in the order in which the data meets it.

It reads labelled files into a DataFrame, tokenizes them into a TensorDataset, trains with AdamW, predicts, saves and
loads. Shapes: N rows of a file, B rows of a batch, L tokens of its longest row, C labels.
"""

import random
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch

from toolkit.base.disk import filling, install_directory, write_bytes, write_json
from toolkit.base.errors import UserError
from toolkit.base.languages import LIST_COMMA, SEMICOLON, Text, joined
from toolkit.cli.console import Log, bar
from toolkit.cli.sections import (
    DataOptions,
    FineTuningOptions,
    InferenceOptions,
    ModelOptions,
    PredictionOptions,
    ReadingOptions,
    options_from,
)
from toolkit.compute.batches import prediction_batches
from toolkit.compute.device import device_count, to_device, unwrap
from toolkit.compute.machine import Machine, choose_machine
from toolkit.compute.memory import RowLimit, release_memory
from toolkit.compute.prediction import PredictionPortions, sum_logits
from toolkit.compute.processes import ALONE, Processes
from toolkit.data.labels import (
    divided_table,
    encode_labels,
    learn_labels,
    match_labels,
    spelled_as,
    split_table,
    unused_names,
    with_new_names,
    with_one_spelling,
)
from toolkit.data.row_texts import RowTexts
from toolkit.data.rows import Rejected, Row, read_rows, stop_if_rejected
from toolkit.data.tables import Table, texts_of, to_frame
from toolkit.data.texts import TABLES
from toolkit.data.unlabelled import UnlabelledRows
from toolkit.doctor.findings import Finding, say_findings
from toolkit.evaluation.ensemble import ComputedOn, Ensemble, SavedPredictor, ensemble_of
from toolkit.evaluation.scored_set import ScoredLabelSets, ScoredSet
from toolkit.evaluation.tasks import AnyDecision, RowsToScore, task_of, training_task
from toolkit.files.columns import TEXT_PAIR_IF_PRESENT, Columns
from toolkit.files.inputs import input_fingerprint
from toolkit.files.source import find_file, labelled_files
from toolkit.formats.column_names import find_columns
from toolkit.formats.dialects import TableReading
from toolkit.formats.reading import open_source
from toolkit.layers.fast_bert import FastBert, frozen_part, make_fast
from toolkit.layers.int8 import check_labels, make_int8
from toolkit.layers.packed_linear import pack_linear_layers, packed_linear_layers
from toolkit.models.configuration import make_usable, prepare_tokenizer, set_dropout
from toolkit.models.head_design import HeadDesign
from toolkit.models.heads import (
    HeadChoice,
    choose_head,
    fit_head,
    last_layer,
    own_head,
    without_last_layer,
)
from toolkit.models.locate import resolve_model
from toolkit.models.model_files import EXPORTED
from toolkit.models.pooling_head import fit_pooling_head
from toolkit.models.pooling_layer import BothPoolings, add_pooling_layer, can_pool, has_pooling_layer
from toolkit.models.pretrained import (
    load_classifier,
    load_config,
    load_tokenizer,
    model_folder,
)
from toolkit.models.texts import LOADING, POOLING, VOCABULARY
from toolkit.models.vocabulary import WholeEmbeddings, cut_config, cut_embeddings
from toolkit.predictions.added_columns import scored_columns
from toolkit.predictions.texts import COMBINATIONS
from toolkit.runs.held_out import unpack_rows
from toolkit.runs.model_card import model_card
from toolkit.runs.paths import refuse_to_merge
from toolkit.runs.run_json import RunFacts, read_run
from toolkit.runs.saved_model import load_saved_classifier
from toolkit.runs.trained_weights import load_saved_tokenizer, save_trained
from toolkit.runs.validation_scores import ValidationScores
from toolkit.serving.export_check import COMPARED_ROWS, ExportCheck, export_notes, tokenizer_facts
from toolkit.serving.exported_model import EXPORT_FACTS, ExportFacts, tokenizer_path
from toolkit.serving.exported_model import MODEL as ONNX_MODEL
from toolkit.serving.exported_model import QUANTIZED as QUANTIZED_MODEL
from toolkit.serving.onnx_model import check_packages, divide_logits, quantize, write_onnx
from toolkit.serving.onnx_predictor import OnnxSession
from toolkit.serving.texts import EXPORT
from toolkit.tokens.dataset import (
    TokenDataset,
    TokenFacts,
    TokenizedTable,
    broadcast_dataset,
    concatenate,
    dataset_of,
    share_dataset,
)
from toolkit.tokens.default_model import ChosenModel, choose_model, share_model
from toolkit.tokens.encoder import Encoder, make_encoder
from toolkit.tokens.hidden_states import HiddenStates
from toolkit.tokens.probe import Fit, probe, probe_precision
from toolkit.tokens.tokenized_rows import TokenizedRows, tokenize_rows
from toolkit.tokens.trimming import Trimmed, share_vocabulary, trim_vocabulary, used_vocabulary
from toolkit.tokens.unknown_characters import check_unknown, known_tokens
from toolkit.training.banner import (
    say_held_out,
    say_labels,
    say_lengths,
    say_rows,
    say_unused_names,
    say_vocabulary,
    say_windows,
)
from toolkit.training.learner import GradientPass, Learner
from toolkit.training.linear_probe import (
    MAX_CHOICE_ROWS,
    MAX_ROWS,
    LinearProbe,
    ProbedRows,
    ProbedTables,
    fit_probe,
    lowest_loss,
    sampled_rows,
    starting_share,
)
from toolkit.training.linear_probe import suits as probe_suits
from toolkit.training.loss import check_weighted_labels
from toolkit.training.pass_graphs import PassTensors
from toolkit.training.teachers import check_teachers, soft_targets
from toolkit.training.texts import BARS, MODEL, TEACHERS
from toolkit.training.training_data import TrainingData

if TYPE_CHECKING:  # it takes a second to import, and infer.py does without
    from toolkit.doctor.comparison import Comparison

ALL_TOLD = ReadingOptions(encoding=None, on_bad_rows="stop")
PROBED_AT_ONCE = 32  # rows
ONE_LABEL_HEAD = HeadChoice()
FEW_TRUNCATED = 0.05  # share of the training rows
ONE_FILE = 1 << 60  # bytes of weights that are still saved in one file, model.safetensors


# -- seed -------------------------------------------------------------------------------------------------------------


def set_seed(seed: int) -> None:
    """Seed every random number generator that a run draws from."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


# -- files to rows ----------------------------------------------------------------------------------------------------


def read_table(
    path: Path,
    columns: Columns,
    reading: ReadingOptions = ALL_TOLD,
    keep_records: bool = False,
) -> Table:
    """Read a labelled file of any format, a folder of one folder a label, or several files that a pattern names.

    The text_pair of `columns` may be TEXT_PAIR_IF_PRESENT. Raises UserError that lists the rows that cannot be used,
    unless `reading` says that bad rows are skipped.
    """
    pair_if_present = columns.text_pair == TEXT_PAIR_IF_PRESENT
    known = TableReading.from_options(reading.table, columns.wanted, with_label=True)
    with open_source(path, reading.encoding, known=known) as source:
        own_columns = find_columns(source, columns)
        columns = own_columns.columns
        rows = list(read_rows(source, columns))
    may_come_late = pair_if_present and columns.text_pair is None and source.columns_of_first is not None
    if may_come_late and any(isinstance(row.values, dict) and "text_pair" in row.values for row in rows):
        columns = replace(columns, text_pair="text_pair")
        return read_table(path, columns, reading, keep_records)
    used = [row for row in rows if isinstance(row, Row)]
    rejected = [row for row in rows if isinstance(row, Rejected)]
    stop_if_rejected(rejected, len(rows), reading.on_bad_rows)
    if not used:
        has_header = source.format in ("csv", "tsv", "xlsx")
        raise UserError(TABLES["only_header" if has_header else "no_rows"].fill(file=path))
    frame = to_frame(used, unit=source.unit)
    frame = frame if columns.text_pair else frame.drop(columns="text_pair")
    records = [row.values for row in used] if keep_records else []
    return Table(
        path=Path(path),
        frame=frame,
        rejected=rejected,
        records=records,
        columns=columns,
        sha256=input_fingerprint(Path(path)),
        taken_for=[*source.taken_for, *own_columns.taken_for],
        written_names=source.written_names,
        groups=None if columns.group is None else np.array([row.group for row in used], object),
        has_fixed_columns=source.has_fixed_columns,
    )


def read_unlabelled_table(file: str, columns: Columns, reading: ReadingOptions) -> Table:
    """Read a file of texts without labels, of any format; UserError for rows that cannot be used, as of read_table."""
    unlabelled = UnlabelledRows(file, columns, reading, pipe_format=None)
    with unlabelled.open() as source:
        rows = list(unlabelled.read(source))
        unit = source.unit
    used = [row for row in rows if isinstance(row, Row)]
    rejected = [row for row in rows if isinstance(row, Rejected)]
    stop_if_rejected(rejected, len(rows), reading.on_bad_rows)
    if not used:
        raise UserError(TABLES["no_rows"].fill(file=file))
    frame = to_frame(used, unit).drop(columns="label" if columns.text_pair else ["label", "text_pair"])
    return Table(Path(file), frame, rejected, [], columns, unlabelled.fingerprint(), unlabelled.taken_for)


def read_tables(
    files: Mapping[str, Path | None], columns: Columns, reading: ReadingOptions, keep_records: Collection[str]
) -> dict[str, Table]:
    """Return, by name, the tables of several labelled files (None: no file); the first decides whether there are pairs.

    Those whose names are in `keep_records` keep their records. Raises UserError with what is wrong in any of them.
    """
    tables: dict[str, Table] = {}
    problems: list[Text] = []
    summaries: list[Text] = []
    for name, file in files.items():
        if file is None:
            continue
        try:
            tables[name] = read_table(file, columns, reading, name in keep_records)
            if len(tables) == 1:
                columns = replace(tables[name].columns, named=columns.named).to_look_at()
        except UserError as error:
            problems += error.args
            if len(error.args) > 1 and error.summary is not None:
                summaries.append(error.summary)
    if problems:
        raise UserError(*problems, summary=joined(summaries, SEMICOLON) if summaries else None)
    return tables


@dataclass(frozen=True)
class LabelledTables:
    """The labelled tables of a run."""

    labels: list[str]  # of the training rows, in order
    used: dict[str, Table]  # train, valid and, if --test_file names one, test
    examined: dict[str, Table]  # also the testset of the folder, which the run does not score
    unlabelled: Table | None = None  # the texts of --unlabelled_file
    comparison: "Comparison | None" = None  # of the texts, if they were compared to hold rows out


def read_labelled_tables(options: DataOptions, split_seed: int, log: Log) -> LabelledTables:
    """Read the labelled files of a run, and hold out training rows where there are none to validate on.

    Raises UserError for what is wrong with any of the files.
    """
    files = labelled_files(options)
    needs_records = tuple(files) if options.find_label_errors else ("test",)
    tables = read_tables(
        files,
        Columns.to_train_on(options.columns, options.group_column, options.label_sets),
        options.reading,
        needs_records,
    )
    tables = _with_labels_of_training(tables, options, log)
    labels = learn_labels(tables["train"])
    if "test" in tables:
        scored_columns(tables["test"].records, labels)
    nearby: dict[str, Table] = {}
    if options.train_file is None and options.test_file is None:
        nearby = _testset_nearby(options, tables["train"].columns.to_look_at())
        nearby = {name: spelled_as(table, labels) for name, table in nearby.items()}
    comparison = None
    if "valid" not in tables:
        from toolkit.doctor.comparison import compare_texts  # noqa: PLC0415 - slow, and infer.py does without

        comparison = compare_texts(tables | nearby) if options.keep_duplicates_together else None
        train, valid = hold_out_rows(tables.pop("train"), comparison, options.valid_ratio, split_seed, log)
        tables = {"train": train, "valid": valid, **tables}
    examined = tables | nearby
    if options.drop_leaked:
        from toolkit.doctor.examine import without_leaked  # noqa: PLC0415 - slow, and infer.py does without

        tables["train"] = without_leaked(examined, log, comparison)
        examined = examined | {"train": tables["train"]}
        labels = learn_labels(tables["train"])
    return LabelledTables(labels, tables, examined, comparison=comparison)


def hold_out_rows(
    train: Table, comparison: "Comparison | None", ratio: float, seed: int, log: Log
) -> tuple[Table, Table]:
    """Return the training rows without those that are held out, and these; say how many, and what was kept together.

    `comparison` is that of the texts; None: equal ones may stand on both sides. Raises UserError if no rows can be held
    out.
    """
    from toolkit.doctor.together import kept_on_one_side  # noqa: PLC0415 - slow, and infer.py does without

    together = kept_on_one_side(train, comparison)
    rest, valid = split_table(train, ratio, seed, together.numbers)
    say_held_out(log, train, valid, together.copies, together.divided)
    return rest, valid


def read_teachers_texts(options: FineTuningOptions, columns: Columns, log: Log) -> Table | None:
    """Return the texts of --unlabelled_file, and say how many there are; None without one.

    `columns` are those of the training rows. Raises UserError for what is wrong with the file.
    """
    file = options.training.teaching.unlabelled_file
    if file is None:
        return None
    table = read_unlabelled_table(file, columns.unlabelled(), options.data.reading)
    say_rows(log, "unlabelled", table)
    return table


def _with_labels_of_training(tables: Mapping[str, Table], options: DataOptions, log: Log) -> dict[str, Table]:
    """Return tables, "train" first, with each label spelled in one way and renamed as --map_labels says.

    Says what became of the rows of each. Raises UserError for labels that the training rows do not have.
    """
    new_names = options.map_labels or {}
    unused = unused_names(tables.values(), new_names)
    renamed = {name: with_new_names(table, new_names) for name, table in tables.items()}
    train = with_one_spelling(renamed.pop("train"))
    say_rows(log, "data", train)
    labels = learn_labels(train)
    matched = {"train": train}
    for name, table in renamed.items():
        matched[name] = match_labels(table, labels, options.reading.on_bad_rows)
        say_rows(log, "", matched[name])
    say_unused_names(log, unused)
    return matched


def _testset_nearby(options: DataOptions, columns: Columns) -> dict[str, Table]:
    """Return, as "test", the testset.* of the data folder, which is only looked at; nothing if there is none.

    One that cannot be read is of no account, unless rows that stand in it are to be dropped: then it is a UserError.
    """
    try:
        file = find_file(options.data_dir, "testset")
        if file is not None:
            table = read_table(file, columns, replace(options.reading, on_bad_rows="skip"))
            return {"test": with_new_names(table, options.map_labels or {})}
    except UserError:
        if options.drop_leaked:
            raise
    return {}


def read_training_table(run: RunFacts) -> Table | None:
    """Return the training table of a run, None if its file is no longer what it was.

    Rows that were held out to validate are held out here too; where rows were dropped (--drop_leaked) there is None.
    """
    with suppress(UserError, OSError, LookupError, TypeError, ValueError):  # no such file, or a run.json that says less
        train = run.data["train"]
        valid = run.data["valid"]
        options = run.options
        path = Path(train.file)
        if input_fingerprint(path) == train.sha256 and not options.get("drop_leaked"):
            all_options = options_from(FineTuningOptions, options)
            reading = all_options.data.reading
            table = read_table(path, run.columns, replace(reading, on_bad_rows="skip"))
            table = spelled_as(with_new_names(table, run.new_label_names), run.labels)
            if valid.held_out is not None:
                table, _ = divided_table(table, unpack_rows(valid.held_out, len(table.frame)))
            elif valid.file == train.file and not options["valid_file"]:  # a run that did not note which rows these are
                split_seed = all_options.split_seed
                table, _ = split_table(table, options["valid_ratio"], split_seed)
            return table
    return None


def labelled_texts(folders: Sequence[Path]) -> set[str]:
    """Return the texts of all rows that some models were trained and validated on, as far as they are there.

    Those of a pair count as one text.
    """
    texts: set[str] = set()
    for folder in folders:
        run = read_run(folder)
        for facts in (run.data.get("train"), run.data.get("valid")):
            with suppress(UserError, OSError, LookupError, TypeError):  # no such file, or a run.json that says less
                if facts is not None and input_fingerprint(Path(facts.file)) == facts.sha256:
                    reading = options_from(FineTuningOptions, run.options).data.reading
                    table = read_table(Path(facts.file), run.columns, replace(reading, on_bad_rows="skip"))
                    texts.update(table.whole_texts)
    return texts


# -- texts to tokens --------------------------------------------------------------------------------------------------


def tokenize(
    encoder: Encoder, frame: pd.DataFrame, label_ids: np.ndarray | None = None, file: str = "", language: str = "en"
) -> TokenizedTable:
    """Tokenize a table with the columns text and, for pairs, text_pair; label_ids (N,). `file` is for messages.

    `language` is that of the progress bar.

    Raises UserError for a row that is too long for a tokenizer that cannot cut it.
    """
    rows = tokenize_rows(encoder, texts_of(frame), file, language)
    return TokenizedTable(_dataset_of_rows(rows, label_ids), rows.full_lengths)


def _dataset_of_rows(rows: TokenizedRows, label_ids: np.ndarray | None = None) -> TokenDataset:
    """Return the dataset of tokenized rows; label_ids (N,) are theirs."""
    return dataset_of(rows.token_ids, rows.token_types, rows.padding, label_ids, rows.row_ids)


def tokenize_labelled(
    encoder: Encoder, tables: dict[str, Table], labels: Sequence[str], max_unknown: float, language: str = "en"
) -> tuple[dict[str, TokenDataset], dict[str, TokenFacts]]:
    """Return, by name, the datasets of some labelled tables and what there is to know of their tokens.

    Raises UserError for labels that are not among `labels`, and where a larger share of a table's characters than
    `max_unknown` is unknown to the tokenizer.
    """
    datasets: dict[str, TokenDataset] = {}
    facts: dict[str, TokenFacts] = {}
    tokenizer = encoder.tokenizer
    label_ids = {name: encode_labels(table, labels) for name, table in tables.items()}
    for name, table in tables.items():
        unknown_share = check_unknown(tokenizer, table.texts, str(table.path), max_unknown)
        tokenized = tokenize(encoder, table.frame, label_ids[name], str(table.path), language)
        dataset = tokenized.dataset
        known = known_tokens(tokenizer, dataset.input_ids.numpy(), dataset.lengths, encoder.pairs)
        datasets[name] = dataset
        known_of_rows = dataset.sum_by_row(known)
        facts[name] = TokenFacts(tokenized.full_lengths, known_of_rows, unknown_share, encoder.capacity)
    return datasets, facts


@dataclass(frozen=True)
class EncodedTables:
    """The labelled tables of a run as its model reads them."""

    datasets: dict[str, TokenDataset]  # by the names of the tables
    encoder: Encoder
    fit: Fit
    trimmed: Trimmed | None  # what --trim_vocabulary has left
    findings: list[Finding]
    together: dict[str, np.ndarray]  # which rows no split may part, as kept_together returns it


def prepare_data(options: FineTuningOptions, machine: Machine, log: Log) -> TrainingData:
    """Read, tokenize and examine the data of a command in the main process, and give the datasets to the others.

    Raises UserError for what is wrong with the data, and where it does not go with the model.
    """
    if options.model.model is not None:
        resolve_model(options.model.model)  # a mistake in its name is told before the data is read
    processes = machine.processes
    read = None
    chosen = None
    if machine.is_main:
        read = read_labelled_tables(options.data, options.split_seed, log)
        read = replace(read, unlabelled=read_teachers_texts(options, read.used["train"].columns, log))
        chosen = choose_model(options.model.model, read.used["train"].texts, options.model.max_unknown)
    labels = processes.broadcast(None if read is None else read.labels)
    training = options.training
    check_weighted_labels(training.loss.class_weight, labels)
    training_task(labels, options.data.several_labels, training)  # or it is a UserError
    model = share_model(processes, chosen)
    encoded = None if read is None else encode_tables(model.source, options, read, machine.alone(), log)
    data = share_encoded(processes, model, labels, encoded)
    if read is not None:
        data = replace(data, tables=read.used, unlabelled=read.unlabelled)
    if options.training.teaching.teacher is not None:
        data = learn_from_teachers(options, data, machine, log)
    if options.training.train in (None, "all") and data.fit.has_table:
        data = leave_out_unused_tokens(data, processes)
    return replace(data, pooling=choose_pooling(options, data, machine.in_precision(data.fit.precision)))


def encode_tables(
    source: str, options: FineTuningOptions, read: LabelledTables, machine: Machine, log: Log
) -> EncodedTables:
    """Tokenize the tables of a run for the model of a directory or hub id, examine them, and say what there is to say.

    Raises UserError where they do not go with the model.
    """
    model = options.model
    pairs = "text_pair" in read.used["train"].frame
    encoder, fit = fit_model(source, options, read.labels, pairs, machine)
    trimmed = None
    if model.trim_vocabulary:
        if not fit.has_table:
            raise UserError(VOCABULARY["no_table"].fill(model=source))
        frames = {name: table.frame for name, table in read.examined.items()}
        if read.unlabelled is not None:
            frames["unlabelled"] = read.unlabelled.frame
        trimmed = trim_vocabulary(encoder, load_config(source), frames, log.language)
        encoder = trimmed.encoder
    datasets, token_facts = tokenize_labelled(encoder, read.used, read.labels, model.max_unknown, log.language)
    loses_text = encoder.windows is None and token_facts["train"].truncated_share > FEW_TRUNCATED
    if model.truncation == "auto" and loses_text:
        encoder = replace(encoder, truncation="head_tail")
        datasets, token_facts = tokenize_labelled(encoder, read.used, read.labels, model.max_unknown, log.language)
    say_labels(log, read.labels, datasets["train"].label_ids)
    if encoder.windows is None:
        say_lengths(log, token_facts["train"].counts, encoder.max_length, encoder.truncation)
    else:
        say_windows(log, token_facts["train"], datasets["train"].window_counts, encoder.max_length, encoder.windows)
    if trimmed is not None:
        say_vocabulary(log, trimmed)
    from toolkit.doctor.comparison import compare_texts  # noqa: PLC0415 - slow, and infer.py does without
    from toolkit.doctor.examine import examine  # noqa: PLC0415
    from toolkit.doctor.together import kept_together  # noqa: PLC0415

    comparison = compare_texts(read.examined) if read.comparison is None else read.comparison
    together = kept_together(read.used, comparison if options.data.keep_duplicates_together else None)
    findings = examine(read.examined, token_facts, comparison, together["train"])
    say_findings(log, findings, options.data.check_data)
    return EncodedTables(datasets, encoder, fit, trimmed, findings, together)


def share_fit(processes: Processes, fit: Fit | None) -> Fit:
    """Return, in every process, the fit that the main one gives; the others, which print nothing, without its notes."""
    shared = Fit(**processes.broadcast(None if fit is None else asdict(replace(fit, notes=()))))
    return shared if fit is None else fit


def share_encoded(
    processes: Processes, model: ChosenModel, labels: list[str], encoded: EncodedTables | None
) -> TrainingData:
    """Return, in every process, the data of a run whose tables the main one has encoded."""
    train = share_dataset(processes, None if encoded is None else encoded.datasets["train"])
    valid = share_dataset(processes, None if encoded is None else encoded.datasets["valid"])
    fit = share_fit(processes, None if encoded is None else encoded.fit)
    pairs = processes.broadcast(None if encoded is None else encoded.encoder.pairs)
    trimmed = None if encoded is None else encoded.trimmed
    vocabulary = share_vocabulary(processes, None if trimmed is None else trimmed.vocabulary)
    data = TrainingData(model, labels, train, valid, fit, pairs=pairs, vocabulary=vocabulary)
    if encoded is not None:
        data = replace(data, encoder=encoded.encoder, findings=encoded.findings, together=encoded.together)
    return data if trimmed is None else replace(data, changed_share=trimmed.changed_share)


def leave_out_unused_tokens(data: TrainingData, processes: Processes) -> TrainingData:
    """Return the data of a run in which a token's id is its place among those that the datasets have.

    The model is trained with these rows of its table alone, and saved with all of them, so that a vocabulary of many
    languages costs neither memory nor time for the tokens that no text has. Their rows stay what they were.
    """
    vocabulary = None
    if data.encoder is not None:
        config = load_config(data.model.source)
        if data.vocabulary is not None:
            config = cut_config(config, data.vocabulary)
        vocabulary = used_vocabulary([data.train, data.valid], data.encoder.tokenizer, config)
    used = share_vocabulary(processes, vocabulary)
    assert used is not None, "the main process has the tokens"
    return replace(data, used=used, train=data.train.with_ids(used.new_ids), valid=data.valid.with_ids(used.new_ids))


def fit_model(
    source: str, options: FineTuningOptions, labels: Sequence[str], pairs: bool, machine: Machine
) -> tuple[Encoder, Fit]:
    """Find out how a model is to be used on this machine, and how texts are encoded for it.

    It is loaded for that and let go of again, since each run begins with a model of its own.
    """
    model_options = options.model
    new = new_classifier(source, labels, model_options.dropout, options.machine.fast, chosen_head(options))
    max_length = model_options.max_length
    truncation = "longest_first" if model_options.truncation == "auto" else model_options.truncation
    encoder = make_encoder(new.tokenizer, new.model.config, max_length, truncation, pairs)
    fit = probe(source, new.model, encoder, machine, may_shorten=max_length is None)
    encoder = replace(encoder, max_length=fit.max_length)
    if model_options.long_texts == "windows":
        encoder = encoder.with_windows(model_options.stride, model_options.max_windows)
    prepare_tokenizer(new.tokenizer, new.model.config, fit.max_length)  # transformers.pipeline then encodes alike
    return encoder, fit


# -- batches ----------------------------------------------------------------------------------------------------------


def batch_tensors(
    dataset: TokenDataset, rows: np.ndarray, device: torch.device, length_step: int = 1
) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """Return the model's inputs, each (B, L) int64, and label_ids (B,).

    L is the length of the longest of these rows, rounded up to a multiple of `length_step` where the dataset is as
    wide. Of a dataset with hidden states those are the inputs.
    """
    input_ids, token_type_ids, lengths, label_ids = dataset[torch.from_numpy(rows)][:4]
    longest = -(-int(lengths.max()) // length_step) * length_step
    longest = min(longest, input_ids.shape[1])
    inputs = {
        "input_ids": input_ids[:, :longest].long(),
        "attention_mask": (torch.arange(longest) < lengths[:, None]).long(),
    }
    if token_type_ids.shape[1]:
        inputs["token_type_ids"] = token_type_ids[:, :longest].long()
    if dataset.states is not None:
        inputs = dataset.states.inputs(rows)
    inputs = {name: to_device(tensor, device) for name, tensor in inputs.items()}
    return inputs, to_device(label_ids, device)


# -- model ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class NewClassifier:
    """A pretrained model with a classification head for the labels of a run."""

    model: Any
    tokenizer: Any
    new_weights: list[str]  # names of the weights that the pretrained model does not have
    notes: list[str | Text]  # what has to be said of it
    whole: WholeEmbeddings | None = None  # the way back to all tokens, where it has only those of the datasets

    @property
    def weight_count(self) -> int:
        """How many weights it has, with those of tokens that no text has."""
        count = sum(weight.numel() for weight in self.model.parameters())
        if self.whole is not None:
            count += self.whole.rows_left_out * self.whole.table.shape[1]
        return count

    @property
    def has_new_head(self) -> bool:
        """Whether the layer that gives the scores has yet to learn."""
        name, _ = last_layer(self.model)
        return f"{name}.weight" in self.new_weights


def new_classifier(
    source: str,
    labels: Sequence[str],
    dropout: float | None,
    fast: bool = True,
    choice: HeadChoice = ONE_LABEL_HEAD,
) -> NewClassifier:
    """Return the model of a directory or hub id, with a head for these labels, and its tokenizer.

    If it is to be `fast`, it computes nothing that the head does not read. Raises UserError if the model cannot be
    loaded, has fewer tokens than its tokenizer, or has not what the head reads.
    """
    config = load_config(source)
    folder = model_folder(source)
    head = choose_head(own_head(folder, config, choice), labels, choice.keep)
    config.num_labels = len(labels)
    config.id2label = dict(enumerate(labels))
    config.label2id = {label: number for number, label in enumerate(labels)}
    config.problem_type = choice.problem_type
    notes: list[str | Text] = [*make_usable(config)]
    set_dropout(config, dropout)
    tokenizer = load_tokenizer(source)
    if getattr(config, "pad_token_id", None) is None:
        config.pad_token_id = tokenizer.pad_token_id  # by which some kinds of models find the end of a text
    loaded = load_classifier(source, config)
    model = loaded.model
    if len(tokenizer) > model.get_input_embeddings().weight.shape[0]:
        raise UserError(LOADING["problem"].fill(name=source, problem=LOADING["other_tokenizer"]))
    if choice.design is None:
        new_weights = fit_head(model, head, loaded.new_weights)
    else:
        new_weights = fit_pooling_head(model, choice.design, head, tokenizer, folder)
    if head.note:
        notes.append(head.note)
    if loaded.unused_layers:
        notes.append(MODEL["left_out_layers"].fill(count=loaded.unused_layers))
    if fast:
        make_fast(model)
    return NewClassifier(model, tokenizer, new_weights, notes)


def chosen_head(options: FineTuningOptions) -> HeadChoice:
    """Return what the head of a run is to be."""
    design = HeadDesign.from_options(options.model)
    return HeadChoice(options.model.keep_head, design, options.data.several_labels)


def pretrained_classifier(options: FineTuningOptions, data: TrainingData) -> NewClassifier:
    """Return the pretrained model of a run with a new head, and what is kept of its vocabulary."""
    model = options.model
    new = new_classifier(data.model.source, data.labels, model.dropout, options.machine.fast, chosen_head(options))
    if data.vocabulary is not None:
        cut_embeddings(new.model, data.vocabulary)
    if data.used is None:
        return new
    return replace(new, whole=cut_embeddings(new.model, data.used))


def pool_mean(new: NewClassifier) -> None:
    """Let the head of a new classifier read the mean over the tokens, by one more layer; UserError if that cannot be.

    A head that it brings has learned to read what the architecture gives it, and stays as it is.
    """
    if not new.has_new_head:
        return
    if not can_pool(new.model):
        raise UserError(POOLING["no_layer"].fill(model=type(new.model).__name__))
    add_pooling_layer(new.model)
    new.notes.append(MODEL["mean"])


# -- what the pretrained model knows already --------------------------------------------------------------------------


@dataclass(frozen=True)
class SampledTables:
    """The rows that a linear probe of a run learns from, and those that it is chosen by."""

    train: TokenDataset
    valid: TokenDataset
    together: np.ndarray  # (N,), training rows of one number are in one fold

    @classmethod
    def of(cls, data: TrainingData, rows: int) -> "SampledTables":
        """Return those of a run, at most so many training `rows`."""
        train_rows = sampled_rows(data.train.row_count, rows)
        valid_rows = sampled_rows(data.valid.row_count, MAX_CHOICE_ROWS)
        together = data.training_rows_together[train_rows]
        return cls(data.train.select(train_rows), data.valid.select(valid_rows), together)

    def probed(self, inputs: Iterable[np.ndarray]) -> ProbedTables:
        """Return them with what the last layer of a head gets, (N, H) of each."""
        of_train, of_valid = map(np.ascontiguousarray, inputs)
        train = ProbedRows(of_train, self.train.label_ids, self.together)
        valid = ProbedRows(of_valid, self.valid.label_ids)
        return ProbedTables(train, valid)


def probing(model: Any, data: TrainingData, machine: Machine, fast: bool) -> "Predictor":
    """Return what predicts the rows of linear probes; the model is on the machine's device afterwards."""
    limit = RowLimit(equal_lengths=data.fit.equal_lengths)
    return Predictor(model.to(machine.device), machine, PROBED_AT_ONCE, limit, packs=fast)


def linear_probe(model: Any, data: TrainingData, machine: Machine, fast: bool = True) -> LinearProbe:
    """Return, in every process, a linear probe of what the last layer of a new head gets.

    If it is to be `fast`, the weights are laid out to predict. The model is on the machine's device afterwards.
    """
    predictor = probing(model, data, machine, fast)
    sampled = SampledTables.of(data, MAX_ROWS)
    tables = sampled.probed([head_inputs(predictor, dataset) for dataset in (sampled.train, sampled.valid)])
    tensors = None
    if machine.is_main:
        tensors = fit_probe(tables.train, tables.valid, len(data.labels)).tensors()
    return LinearProbe.from_tensors(machine.processes.broadcast_tensors(tensors) or {})


def starts_by_probe(new: NewClassifier, options: ModelOptions, data: TrainingData) -> bool:
    """Say whether the last layer of a classifier's head is to begin with a linear probe (start_head)."""
    suits = options.head_start == "auto" and probe_suits(data.train.row_count, data.pairs)
    return (suits or options.head_start == "probe") and new.has_new_head


def start_head(model: Any, data: TrainingData, machine: Machine, fast: bool = True) -> None:
    """Let the last layer of a new head begin with what a linear probe has learned."""
    probed = linear_probe(model, data, machine, fast)
    _, layer = last_layer(model)
    probed.start(layer, starting_share(data.train.row_count, len(data.labels)))


def choose_pooling(options: FineTuningOptions, data: TrainingData, machine: Machine) -> str:
    """Return own or mean: what of a text the head is to read, by which a linear probe does better.

    It is the first token, or whatever the architecture has, or the mean over all tokens, by a layer on top. What the
    head begins with is seen in a pass of its own (start_head), so that it is the same to the bit whether the pooling
    was chosen here or, as where a run is resumed that had not taken a step, named.
    """
    model = options.model
    if model.pooling != "auto":
        return model.pooling
    if options.training.train not in (None, "all") or model.head not in (None, "model"):
        return "own"
    if not probe_suits(data.train.row_count, data.pairs):
        return "own"
    new = pretrained_classifier(options, data)
    if not new.has_new_head or not can_pool(new.model) or has_pooling_layer(new.model):
        return "own"
    probed = probe_both_poolings(new.model, data, machine, options.machine.fast)
    losses = None
    if machine.is_main:
        losses = {
            pooling: lowest_loss(tables.train, tables.valid, len(data.labels)) for pooling, tables in probed.items()
        }
    losses = machine.processes.broadcast(losses)
    return "mean" if losses["mean"] < losses["own"] else "own"


def probe_both_poolings(model: Any, data: TrainingData, machine: Machine, fast: bool) -> dict[str, ProbedTables]:
    """Return what the last layer of the head of a new classifier gets with its own pooling, and with the mean.

    In one pass for both, where the model is fast. As with predict_logits, the main process alone has the inputs.
    """
    both = BothPoolings(model)
    predictor = probing(both, data, machine, fast)
    sampled = SampledTables.of(data, MAX_CHOICE_ROWS)
    with without_last_layer(both.own) as width, without_last_layer(both.mean):
        inputs = [predict_logits(predictor, dataset, width=2 * width) for dataset in (sampled.train, sampled.valid)]
    return {
        "own": sampled.probed([each[:, :width] for each in inputs]),
        "mean": sampled.probed([each[:, width:] for each in inputs]),
    }


# -- what other models know -------------------------------------------------------------------------------------------


def learn_from_teachers(options: FineTuningOptions, data: TrainingData, machine: Machine, log: Log) -> TrainingData:
    """Return, in every process, the data with what the models of --teacher predict as the targets of the training rows.

    The rows of --unlabelled_file follow them, with the labels that the teachers find most probable as their label_ids.
    The main process predicts alone. With --check_data nothing is predicted. Raises UserError for
    teachers that do not go with the data, and for what is wrong with the file.
    """
    train = None
    tensors = None
    if data.unlabelled is not None:
        unlabelled = data.unlabelled
        check_unknown(data.main_encoder.tokenizer, unlabelled.texts, str(unlabelled.path), options.model.max_unknown)
    if options.data.check_data:
        return data
    if machine.is_main:
        frames = [table.frame for table in data.trained_on]
        texts = pd.concat([frame.drop(columns="label", errors="ignore") for frame in frames], ignore_index=True)
        probabilities = _teachers_probabilities(options, data, machine.alone(), texts, log)
        label_ids = data.train.label_ids
        train = data.train
        if data.unlabelled is not None:
            likeliest = probabilities[len(label_ids) :].argmax(axis=1)
            file = str(data.unlabelled.path)
            rows = tokenize(data.main_encoder, data.unlabelled.frame, likeliest, file, log.language)
            train = concatenate(train, rows.dataset)
        agreement = (probabilities[: len(label_ids)].argmax(axis=1) == label_ids).mean()
        log.item("", TEACHERS["agreement"].fill(share=agreement))
        tensors = {"targets": torch.from_numpy(soft_targets(probabilities, label_ids))}
    train = share_dataset(machine.processes, train)
    shared = machine.processes.broadcast_tensors(tensors) or {}
    return replace(data, train=train.with_targets(shared["targets"]))


def _teachers_probabilities(
    options: FineTuningOptions, data: TrainingData, machine: Machine, texts: pd.DataFrame, log: Log
) -> np.ndarray:
    """Return the mean probabilities (N, C) that the models of --teacher give some texts, and say which models."""
    teachers = options.training.teaching.teacher or []
    prediction = PredictionOptions(PROBED_AT_ONCE, True, None, options.machine, min_agreement=0)
    folders = [Path(teacher) for teacher in teachers]
    check_teachers(folders, [read_run(folder, "--teacher") for folder in folders], data.labels, data.pairs)
    ensemble = load_ensemble(folders, machine, prediction, PROBED_AT_ONCE, log)
    log.item("teacher", TEACHERS["mean"].fill(listed=joined(teachers, LIST_COMMA)))
    with log.bar(len(texts), BARS["teachers"], "rows") as progress_bar:
        logits = ensemble.predict(texts_of(texts), progress_bar.update).logits
    order = [ensemble.labels.index(label) for label in data.labels]
    probabilities = ensemble.decision.probabilities(logits)[:, order]
    del ensemble
    release_memory()
    return probabilities


# -- training ---------------------------------------------------------------------------------------------------------


def keep_frozen_states(learner: Learner, data: TrainingData, batch_size: int, log: Log) -> TrainingData:
    """Compute once what the frozen lower part of a model gives for all rows, and return the data with it.

    The batches are those of a prediction, so that a resumed run gets the same states to the last bit. The data stays as
    it is if nothing is frozen, or, which is said, if the states cannot be kept.
    """
    part = frozen_part(unwrap(learner.model))
    if part is None or learner.machine.processes.size > 1:
        if learner.frozen:
            kind = MODEL["of_berts_kind"] if part is None else MODEL["of_one_process"]
            log.item("frozen", MODEL["frozen_anew"].fill(kind=kind))
        return data
    train = _frozen_states(learner, part, data.train, batch_size)
    valid = _frozen_states(learner, part, data.valid, batch_size)
    if train is None or valid is None:
        log.item("frozen", MODEL["frozen_too_large"])
        return data
    size = (train.bytes + valid.bytes) / 1e6
    log.item("frozen", MODEL["frozen_kept"].fill(size=size))
    return replace(data, train=data.train.with_states(train), valid=data.valid.with_states(valid))


@torch.no_grad()
def _frozen_states(learner: Learner, part: FastBert, dataset: TokenDataset, batch_size: int) -> HiddenStates | None:
    """Return what the frozen part of a model gives for the rows of a dataset, None if that is too much to be kept."""
    learner.model.eval()
    limit = learner.limit
    sample = _states_of_rows(learner, part, dataset, np.zeros(1, np.int64))
    lengths = dataset.lengths if part.keeps_all_tokens else np.ones_like(dataset.lengths)
    states = HiddenStates.empty(lengths, sample.shape[2], sample.dtype)
    if states is None:
        return None
    with limit.log.bar(len(dataset), BARS["frozen"], "rows") as progress_bar:
        for rows in prediction_batches(dataset.lengths, batch_size, limit.equal_lengths):
            for attempt in limit.attempts(len(rows)):
                with attempt:
                    for piece in limit.cut(rows, 1):
                        states.put(piece, _states_of_rows(learner, part, dataset, piece))
            progress_bar.update(len(rows))
    return states


def _states_of_rows(learner: Learner, part: FastBert, dataset: TokenDataset, rows: np.ndarray) -> torch.Tensor:
    """Return what the frozen part of a model gives for some rows of a dataset: (B, L, H), or (B, 1, H)."""
    inputs, _ = batch_tensors(dataset, rows, learner.machine.device)
    with learner.machine.precision.autocast():
        return part.frozen_states(**inputs).cpu()


def train_one_epoch(
    learner: Learner,
    dataset: TokenDataset,
    batches: Iterable[np.ndarray],
    on_step: Callable[[torch.Tensor, int, float], None],
) -> None:
    """Take a step for each of `batches`, row numbers of the global batches of an epoch or of a part of it.

    A step follows the gradient of the (weighted) mean loss over its batch, however the batch is cut to fit the memory
    and shared among processes; one whose loss or gradient is not a number leaves the weights as they are. After each
    step `on_step` gets the mean loss times the rows (a tensor on the device; of several processes each has an estimate
    of which that is the mean), the number of rows, and the learning rate. Of a row with several windows all are in the
    batch, and the mean of their losses is that of the row.
    """
    learner.set_training()
    for rows in batches:
        rate = learner.begin_step()
        total_weight = learner.settings.loss.total_weight(dataset.label_ids[rows])
        windows = dataset.windows_by_length(rows)
        for attempt in learner.attempts(windows):
            with attempt:
                mean_loss = torch.zeros((), device=learner.machine.device)
                for gradient_pass in learner.passes(windows, dataset.lengths, total_weight):
                    mean_loss += _add_gradient(learner, dataset, gradient_pass)
        norm = learner.clip_gradient()
        learner.guard.check(learner.step, mean_loss, norm, rows)
        learner.scaler.step(learner.optimizer)
        learner.scaler.update()
        learner.zero_grad()
        learner.step += 1
        on_step(mean_loss * len(rows), len(rows), rate)


def _add_gradient(learner: Learner, dataset: TokenDataset, gradient_pass: GradientPass) -> torch.Tensor:
    """Go forward and backward through some windows of a batch and return their part of the loss.

    A function of its own, so that where the memory runs out nothing of the graph is held while the step is repeated.
    """
    tensors = _pass_tensors(learner, dataset, gradient_pass)
    forward_backward = partial(_forward_backward, learner, gradient_pass)
    if learner.graphs is None:
        return forward_backward(tensors)
    return learner.graphs.run(forward_backward, tensors)


def _pass_tensors(learner: Learner, dataset: TokenDataset, gradient_pass: GradientPass) -> PassTensors:
    """Return what a pass reads, on the device of the model."""
    device = learner.machine.device
    rows = gradient_pass.rows
    inputs, label_ids = batch_tensors(dataset, rows, device, learner.length_step)
    weight = to_device(torch.tensor(gradient_pass.weight, dtype=torch.float32), device)
    shares = dataset.shares(rows)
    if shares is not None:
        shares = to_device(shares, device)
    targets = dataset.targets_of(rows)
    if targets is not None:
        targets = to_device(targets, device)
    return PassTensors(inputs, label_ids, weight, shares, targets)


def _forward_backward(learner: Learner, gradient_pass: GradientPass, tensors: PassTensors) -> torch.Tensor:
    """Add the gradient of some rows' loss to that of the step, and return the loss."""
    with learner.gradient_sharing(gradient_pass), learner.machine.precision.autocast():
        logits = learner.model(**tensors.inputs).logits  # (B, C)
    loss = learner.settings.loss
    if tensors.targets is None:
        loss_sum = loss.sum(logits.float(), tensors.label_ids, tensors.shares)
    else:
        loss_sum = loss.sum_to_targets(logits.float(), tensors.targets, tensors.shares)
    weighted = loss_sum * tensors.weight
    learner.scaler.scale(weighted).backward()
    return weighted.detach()


# -- prediction -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Predictor:
    """A model with what it needs to predict; `limit` is how many rows it takes at once where the memory is short."""

    model: torch.nn.Module
    machine: Machine
    batch_size: int  # rows
    limit: RowLimit = field(default_factory=RowLimit)
    packs: bool = False  # lays the model's weights out to predict each time, since they change in between

    @property
    def computed_on(self) -> ComputedOn:
        """What computes."""
        machine = self.machine
        return ComputedOn("torch", machine.precision.name, machine.device.type, machine.thread_count)

    def predict(self, rows: TokenizedRows, on_batch: Callable[[int], object] = lambda rows: None) -> np.ndarray:
        """Return the logits (N, C) of rows that the main process has, while the others are in help_predict."""
        return predict_together(self, _dataset_of_rows(rows), on_batch)

    def alone(self) -> "Predictor":
        """Return a predictor that works without the other processes."""
        return replace(self, machine=self.machine.alone())


@torch.inference_mode()
def predict_logits(
    predictor: Predictor,
    dataset: TokenDataset,
    on_batch: Callable[[int], object] = lambda rows: None,
    width: int | None = None,
) -> np.ndarray:
    """Return the logits (N, C) in fp32 of a dataset, in its order; `on_batch` gets the rows that each batch finishes.

    C is the number of labels, unless the model gives another `width` of values. The logits of a row with several
    windows are the mean of the windows' logits; they are summed in fp64, in which the sum does not depend on the order.
    A batch that does not fit the memory is cut up. Of several processes, each of which has the whole dataset, each
    takes some of the batches, and the main one gets all logits. The batches do not depend on how many there are.
    """
    model = predictor.model.eval()
    processes = predictor.machine.processes
    if not isinstance(model, torch.nn.DataParallel):
        model = unwrap(model)
    portions = PredictionPortions(
        predictor.batch_size, predictor.limit, device_count(predictor.model), processes.process
    )
    forward = partial(_forward, model, predictor.machine, dataset)
    width = width or unwrap(model).config.num_labels
    dtype = predictor.machine.precision.dtype
    with packed_linear_layers(unwrap(model), dtype) if predictor.packs else nullcontext():
        sums = sum_logits(dataset.windows, forward, width, portions, on_batch)
    return dataset.windows.mean_of_sums(processes.reduce_to_main(sums))


def _forward(model: torch.nn.Module, machine: Machine, dataset: TokenDataset, windows: np.ndarray) -> np.ndarray:
    """Return the logits (B, C) of some windows of a dataset."""
    inputs, _ = batch_tensors(dataset, windows, machine.device)
    with machine.precision.autocast():
        logits = model(**inputs).logits
    return logits.float().cpu().numpy()


def head_inputs(predictor: Predictor, dataset: TokenDataset) -> np.ndarray:
    """Return in the main process what the last layer of a classifier's head gets for each row, (N, H) in fp32."""
    with without_last_layer(unwrap(predictor.model)) as width:
        return predict_logits(predictor, dataset, width=width)


def predict_together(
    predictor: Predictor, dataset: TokenDataset, on_batch: Callable[[int], object] = lambda rows: None
) -> np.ndarray:
    """Return the logits (N, C) of a dataset that the main process has, while the others are in help_predict."""
    shared = share_dataset(predictor.machine.processes, dataset)
    return predict_logits(predictor, shared, on_batch)


def help_predict(predictors: Sequence[Predictor]) -> None:
    """Take part in the main process's predictions by each of some models in turn until it calls release_helpers."""
    for predictor in cycle(predictors):
        dataset = broadcast_dataset(predictor.machine.processes)
        if dataset is None:
            return
        predict_logits(predictor, dataset)


def release_helpers(machine: Machine) -> None:
    """Tell the processes that are in help_predict that there is no more to predict."""
    broadcast_dataset(machine.processes, None)


def check_int8(ensemble: Ensemble[Predictor], texts: RowTexts, min_agreement: float) -> list[Text]:
    """Return how many rows keep the label of fp32 in int8, for each of some models; UserError if too few do.

    They are predicted by this process alone.
    """
    lines = []
    for member in ensemble.members:
        sample = _dataset_of_rows(tokenize_rows(member.encoder, texts, language=ensemble.language))
        alone = member.predictor.alone()
        predicted = partial(_predicted_labels, alone, sample, member.decision)
        lines.append(check_labels(unwrap(alone.model), predicted, min_agreement))
    return lines


def _predicted_labels(predictor: Predictor, dataset: TokenDataset, decision: AnyDecision) -> np.ndarray:
    return decision.label_ids(predict_logits(predictor, dataset))


def score_table(ensemble: Ensemble[Predictor], table: Table) -> ScoredSet | ScoredLabelSets:
    """Predict the labels of a table that the main process has and score them, while the others are in help_predict."""
    label_ids = encode_labels(table, ensemble.labels)
    with bar(len(table.frame), BARS["scoring"], "rows", language=ensemble.language) as progress_bar:
        prediction = ensemble.predict(texts_of(table.frame), progress_bar.update, str(table.path))
    longest_read = ensemble.members[0].encoder.capacity
    rows = RowsToScore(prediction.logits, label_ids, prediction.full_lengths, longest_read)
    return ensemble.task.scored(rows, ensemble.decision)


# -- model directory --------------------------------------------------------------------------------------------------


def save_model(
    folder: Path,
    model: torch.nn.Module,
    tokenizer: Any,
    run: RunFacts,
    validation: ValidationScores | None = None,
    waits: bool = False,
) -> None:
    """Replace a model directory by one with this model, its tokenizer, run.json and the model card, in one go.

    If `run` says that a part of the model was trained, that part alone is saved, with what is needed to find the rest.
    What it made of its `validation` rows is saved with it. If it `waits`, it stays beside the old one until
    install_directory is called.
    """
    with filling(folder) as new:
        if run.trained is not None:
            save_trained(new, unwrap(model), tokenizer, run.trained)
        else:
            unwrap(model).save_pretrained(new, max_shard_size=ONE_FILE)
            tokenizer.save_pretrained(new)
        if validation is not None:
            validation.save(new)
        describe_model(new, run)
    if not waits:
        install_directory(folder)


def write_whole_model(folder: Path, target: Path) -> None:
    """Write the whole model of a directory that has only what was trained to another, which is new or empty.

    Raises UserError if that is in the way, if the model is a whole one already, or if its base model is not here.
    """
    run = read_run(folder)
    if run.trained is None:
        raise UserError(COMBINATIONS["merged"].fill(folder=folder))
    refuse_to_merge(target, run.trained.part)
    model = load_saved_classifier(folder, run).model
    validation = ValidationScores.find(folder, len(run.labels))
    save_model(target, model, load_saved_tokenizer(folder, run), replace(run, trained=None), validation)


def describe_model(folder: Path, run: RunFacts) -> None:
    """Write run.json and the model card into a model directory."""
    write_json(folder / "run.json", run.as_json())
    write_bytes(folder / "README.md", model_card(run).encode())


@dataclass(frozen=True)
class SavedClassifier:
    """What a model directory holds that main.py wrote: the model, how texts are encoded for it, and its run.json.

    `machine` is the one that it predicts on, in a number format in which it can.
    """

    model: torch.nn.Module
    encoder: Encoder
    run: RunFacts
    machine: Machine

    def predictor(self, batch_size: int, log: Log) -> Predictor:
        """Return a predictor for the model; `log` gets a line where the memory runs out."""
        return Predictor(
            self.model, self.machine, batch_size, RowLimit(log=log, equal_lengths=bool(self.run.equal_lengths))
        )


def load_model(folder: Path, machine: Machine, fast: bool = True) -> SavedClassifier:
    """Return what a model directory holds, the model on the device or devices of this process.

    If it is to be `fast`, it computes nothing that the head does not read, and its weights are laid out to predict.
    Raises UserError if the directory is not one or is damaged, or the model cannot compute in the number format.
    """
    run = read_run(folder)
    tokenizer = load_saved_tokenizer(folder, run)
    model: Any = load_saved_classifier(folder, run).model
    encoder = make_encoder(tokenizer, model.config, run.max_length, run.truncation, run.pairs)
    if run.stride is not None:
        encoder = encoder.with_windows(run.stride, run.max_windows)
    if fast:
        make_fast(model)
    machine = machine.in_precision(probe_precision(str(folder), model.to(machine.device), encoder, machine))
    if fast:
        pack_linear_layers(model, machine.precision.dtype)
    if machine.precision.name == "int8":
        make_int8(model)
    return SavedClassifier(machine.wrap_for_prediction(model), encoder, run, machine)


def load_ensemble(
    folders: Sequence[Path], machine: Machine, options: PredictionOptions, batch_size: int, log: Log
) -> Ensemble[Predictor]:
    """Return the models of some model directories, or of one, all of them on the device or devices of this process.

    `log` gets a line where the memory runs out, and where thresholds of the models are not used. Raises UserError for
    a directory that is none or is damaged, and for a threshold that makes no sense.
    """
    saved = [load_model(folder, machine, options.machine.fast) for folder in folders]
    predictors = [SavedPredictor(each.encoder, each.predictor(batch_size, log), each.run) for each in saved]
    return ensemble_of(predictors, log, options.calibrated, options.threshold)


def score_saved(
    folder: Path, table: Table, machine: Machine, batch_size: int, limit: RowLimit, fast: bool = True
) -> ScoredSet | ScoredLabelSets:
    """Score a table with the model directory that this process, the main one, wrote; the others are in help_score."""
    saved = load_model(folder, machine, fast)
    predictor = Predictor(saved.model, saved.machine, batch_size, limit)
    _send_weights(saved.model, machine)
    ensemble = ensemble_of([SavedPredictor(saved.encoder, predictor, saved.run)], limit.log)
    scored = score_table(ensemble, table)
    release_helpers(machine)
    return scored


def help_score(predictor: Predictor, fast: bool = True) -> None:
    """Take part in score_saved: get the weights of the model directory, which only the main process may see."""
    machine = predictor.machine
    weights = machine.processes.broadcast_tensors()
    assert weights is not None, "the main process sends the weights"
    predictor.model.load_state_dict(weights)
    if fast:
        pack_linear_layers(predictor.model, machine.precision.dtype)  # as load_model did in the main process
    help_predict([predictor])


def _send_weights(model: torch.nn.Module, machine: Machine) -> None:
    """Give the weights of the main process's model to the others."""
    if machine.processes.size > 1:
        machine.processes.broadcast_tensors({name: w.cpu() for name, w in unwrap(model).state_dict().items()})


# -- for other programs -----------------------------------------------------------------------------------------------


def export_onnx(folder: Path, options: InferenceOptions, log: Log) -> None:
    """Write the model of a directory to onnx/ in it, in fp32 and, where that keeps the labels, in int8.

    What is written is compared with the model on rows of --input_file or of its training file before it is kept.
    Raises UserError where it cannot be written or answers otherwise.
    """
    check_packages()
    machine = choose_machine("cpu", "fp32", ALONE)
    saved = load_model(folder, machine, fast=False)
    run = saved.run
    texts = texts_of(_rows_to_compare(run, options))
    dataset = _dataset_of_rows(tokenize_rows(saved.encoder, texts, language=log.language))
    decision = task_of(run).decision_of(run, options.prediction.calibrated)
    temperature = decision.written_temperature
    divide_logits(saved.model, temperature)
    target = folder / EXPORTED
    with filling(target) as new:
        lines = _export_compared(saved, dataset, decision, options.prediction, new, target)
        if run.trained is not None or run.head is not None:  # of which the model directory is not one of transformers
            saved.encoder.tokenizer.save_pretrained(new)
            unwrap(saved.model).config.save_pretrained(new)
        tokenizer = tokenizer_facts(tokenizer_path(folder, new), saved.encoder, run, texts)
        write_json(new / EXPORT_FACTS, ExportFacts.of(folder, temperature, tokenizer).as_json())
    install_directory(target)
    if tokenizer is None:
        lines.append(EXPORT["no_tokenizer"])
    for line in [*lines, *export_notes(decision, run)]:
        log(line)


def _export_compared(
    saved: SavedClassifier,
    dataset: TokenDataset,
    decision: AnyDecision,
    options: PredictionOptions,
    new: Path,
    target: Path,
) -> list[Text]:
    """Write a model in fp32 and in int8 into the folder `new`, which will be `target`, and return what is said.

    What is in int8 is removed if it does not keep enough labels of a dataset. Raises UserError as export_onnx.
    """
    predictor = saved.predictor(options.batch_size, Log(None))
    check = ExportCheck.of(predict_logits(predictor, dataset), decision)
    shortest_and_longest = np.argsort(dataset.lengths, kind="stable")[[0, -1]]
    inputs, _ = batch_tensors(dataset, shortest_and_longest, saved.machine.device)
    exact = new / ONNX_MODEL
    write_onnx(saved.model, inputs, saved.run.max_length, exact)
    exact_logits = _onnx_logits(exact, predictor, dataset)
    exact_line = check.check_exact(exact_logits, target, exact.stat().st_size)
    quantized = new / QUANTIZED_MODEL
    quantize(exact, quantized)
    logits = _onnx_logits(quantized, predictor, dataset)
    quantized_line = check.judge_int8(logits, options.min_agreement, target, quantized.stat().st_size)
    if not check.keeps_labels(logits, options.min_agreement):
        quantized.unlink()
    return [exact_line, quantized_line]


def _onnx_logits(path: Path, predictor: Predictor, dataset: TokenDataset) -> np.ndarray:
    """Return the logits (N, C) that an ONNX file gives for a dataset, in the batches of a predictor of its model."""
    session = OnnxSession(path)

    def forward(windows: np.ndarray) -> np.ndarray:
        """Return the logits (B, C) of some windows."""
        inputs, _ = batch_tensors(dataset, windows, predictor.machine.device)
        return session.logits({name: tensor.numpy() for name, tensor in inputs.items()})

    portions = PredictionPortions(predictor.batch_size, predictor.limit)
    width = unwrap(predictor.model).config.num_labels
    sums = sum_logits(dataset.windows, forward, width, portions, lambda rows: None)
    return dataset.windows.mean_of_sums(sums)


def _rows_to_compare(run: RunFacts, options: InferenceOptions) -> pd.DataFrame:
    """Return rows, evenly spread, on which an exported model is compared with the one that it was written from."""
    columns = run.columns.renamed(options.columns)
    if options.input_file is not None:
        table: Table | None = read_unlabelled_table(options.input_file, columns.unlabelled(), options.reading)
    else:
        table = read_training_table(run)
    if table is None:
        raise UserError(EXPORT["no_rows"])
    return table.frame.iloc[:: -(-len(table.frame) // COMPARED_ROWS)]
