"""The options of the three scripts as records, in sections: what is known of a command below its parser."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, TypeVar

Record = TypeVar("Record")


@dataclass(frozen=True)
class ColumnOptions:
    """What the columns of a file are called (None: as in training, or the usual name)."""

    text_column: str | None
    pair_column: str | None
    label_column: str | None


@dataclass(frozen=True)
class LabelSetOptions:
    """Whether a row may have several labels, and how they are written; None is off, in the records of older runs."""

    multi_label: bool | None = None
    label_separator: str | None = None  # between them; None: a semicolon
    label_columns: list[str] | None = None  # one for each label; None: they stand in one column


@dataclass(frozen=True)
class TableOptions:
    """What is known of csv and tsv files; None is the same as auto, in the records of runs that were before it."""

    separator: str | None = "auto"  # auto, comma, semicolon, tab, bar, or the character
    escape: str | None = "auto"  # auto, none or backslash
    no_header: bool | None = False  # False: told apart
    columns: str | None = None  # names of the columns of files without a header, with commas between


@dataclass(frozen=True)
class ReadingOptions:
    """How files are read."""

    encoding: str | None  # None: told apart
    on_bad_rows: str  # stop, skip or, of infer.py, keep
    table: TableOptions = TableOptions()


@dataclass(frozen=True)
class DataOptions:
    """The labelled files of a run, and what is done with them before training."""

    data_dir: str
    train_file: str | None
    valid_file: str | None
    test_file: str | None
    valid_ratio: float
    columns: ColumnOptions
    label_sets: LabelSetOptions
    group_column: str | None  # None: rows belong to no groups
    map_labels: dict[str, str] | None  # new names of labels by the old ones
    reading: ReadingOptions
    keep_duplicates_together: bool | None  # None, in the records of older runs: no
    drop_leaked: bool
    check_data: bool
    find_label_errors: bool
    folds: int

    @property
    def several_labels(self) -> bool:
        """Whether a row may have several labels, or none."""
        return bool(self.label_sets.multi_label)


@dataclass(frozen=True)
class ModelOptions:
    """The pretrained model, and how texts are cut for it."""

    model: str | None  # None: the embedded one
    max_length: int | None  # tokens; None: as many as the model takes
    truncation: str
    long_texts: str | None  # truncate or windows; None, in the records of older runs: truncate
    stride: int | None  # tokens that a window shares with the one before; None: a quarter of its room
    max_windows: int | None  # of a row; None: the usual number
    max_unknown: float  # share of the characters
    trim_vocabulary: bool | None  # None, in the records of older runs: no
    dropout: float | None  # None: the model's own
    head: str | None  # model, cls, mean or mlp; None, in the records of runs that were before it, is model
    head_layers: int | None
    head_dropout: float | None
    pooling: str  # auto, own or mean
    head_start: str  # auto, probe or random
    keep_head: bool


@dataclass(frozen=True)
class LossOptions:
    """What the steps make smaller; None is off, in the records of runs that were before it."""

    loss: str | None  # cross_entropy, focal or label_smoothing
    focal_gamma: float | None
    label_smoothing: float | None  # share
    class_weight: str | dict[str, float] | None  # none, balanced, or weights by label


@dataclass(frozen=True)
class TeachingOptions:
    """The models that the run learns from besides the labels, and further texts that they predict."""

    teacher: list[str] | None  # model directories; None: the labels alone
    unlabelled_file: str | None


@dataclass(frozen=True)
class TrainingOptions:
    """How the model is trained and the best one chosen."""

    train: str | None  # which part of it: all, head, top:N or lora; None is all, in the records of runs before it
    lora_rank: int
    lora_alpha: int
    lora_dropout: float
    epochs: int | str  # or auto, as wherever a str is possible
    batch_size: int  # rows, over all devices and processes together
    micro_batch_size: int | None  # rows of one device at once; None: all of a batch
    learning_rate: float | str
    weight_decay: float
    adam_beta1: float
    adam_beta2: float
    adam_epsilon: float
    warmup_ratio: float
    scheduler: str
    max_grad_norm: float  # 0: off
    loss: LossOptions
    teaching: TeachingOptions
    metric: str
    positive_label: str | None
    threshold: float | str | None  # a probability, auto, or None for the more probable label
    eval_steps: int | str  # 0: off
    early_stopping: int | str  # evaluations; 0: off
    save_steps: int  # 0: off
    max_bad_steps: int
    seed: int
    split_seed: int | None  # None: that of seed
    seeds: int


@dataclass(frozen=True)
class MachineOptions:
    """What a script computes on, and in which number format."""

    precision: str
    fast: bool
    device: str


@dataclass(frozen=True)
class OutputOptions:
    """Where a run is written."""

    output_dir: str
    tensorboard: bool
    overwrite: bool
    merge: str | None  # where the whole model is written too, where a part was trained
    resume: bool
    language: str | None  # of the lines that are printed: en, zh or auto; None, in the records of older runs, is auto


@dataclass(frozen=True)
class ReportOptions:
    """What report.html is made with."""

    report_language: str  # en, zh or auto, that of the lines that are printed
    explain_rows: int


@dataclass(frozen=True)
class FineTuningOptions:
    """The options of main.py; `on_command_line` has the values of those that the command line named."""

    data: DataOptions
    model: ModelOptions
    training: TrainingOptions
    machine: MachineOptions
    output: OutputOptions
    report: ReportOptions
    on_command_line: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @property
    def split_seed(self) -> int:
        """The seed that decides which rows are held out: --split_seed, else --seed."""
        split_seed = self.training.split_seed
        return self.training.seed if split_seed is None else split_seed

    @property
    def trains_a_run(self) -> bool:
        """Whether the command leaves a run behind."""
        return not self.data.check_data and not self.data.find_label_errors

    def as_dict(self) -> dict[str, Any]:
        """Return the values by the options' names, as they stand in run.json."""
        return flat(self)

    def with_values(self, **values: Any) -> "FineTuningOptions":
        """Return options with other values, by the options' names, as if the command line had named them."""
        return options_from(FineTuningOptions, self.as_dict() | values, {**self.on_command_line, **values})


@dataclass(frozen=True)
class PredictionOptions:
    """How logits are made and what is made of them."""

    batch_size: int
    calibrated: bool
    threshold: float | None  # None: as in run.json
    machine: MachineOptions
    min_agreement: float  # share of the rows; 0: int8 is not compared with fp32


@dataclass(frozen=True)
class ScoringOptions:
    """The options of test_code.py."""

    test_file: str | None
    compare: str | None
    data_dir: str
    columns: ColumnOptions
    map_labels: dict[str, str] | None  # new names of labels by the old ones; those of the run go before
    reading: ReadingOptions
    model_dirs: list[str]  # of several the probabilities are averaged
    prediction: PredictionOptions
    output_dir: str | None
    language: str  # as in OutputOptions
    report: ReportOptions


@dataclass(frozen=True)
class AbstentionOptions:
    """Which rows of infer.py get no prediction; None is off."""

    abstain_below: float | None  # probability of the predicted label
    abstain_for: float | None  # accuracy of what is predicted
    abstain_unknown: float | None  # share of the validation rows

    @property
    def is_wanted(self) -> bool:
        """Whether a row may be left without a prediction."""
        return self != AbstentionOptions(None, None, None)


@dataclass(frozen=True)
class InferenceOptions:
    """The options of infer.py."""

    input_file: str | None
    output_file: str | None
    input_format: str | None
    text: str | None
    text_pair: str | None
    data_dir: str
    columns: ColumnOptions
    reading: ReadingOptions
    model_dirs: list[str]  # of several the probabilities are averaged
    prediction: PredictionOptions
    abstention: AbstentionOptions
    rank: str | None  # uncertain: the rows a person should label first come first; None: as in the input
    merge: str | None  # where the whole model is written instead of predictions
    export: str | None  # onnx: the model is written so instead of predictions
    engine: str  # auto, torch or onnx
    excel_safe: bool
    prediction_prefix: str | None  # of the names of the columns that are added
    top_k: int | None  # labels whose probabilities are written; 0: all; None: as many as is usual for a model's labels
    overwrite: bool
    language: str  # as in OutputOptions

    @property
    def predicts(self) -> bool:
        """Whether rows are predicted, and not a model written."""
        return self.merge is None and self.export is None


def options_from(
    kind: type[Record], values: Mapping[str, Any], on_command_line: Mapping[str, Any] | None = None
) -> Record:
    """Return a record of options from their values by name; a section takes its own, and None where there is none."""
    sections: dict[str, Any] = {}
    for section in fields(kind):  # type: ignore[arg-type]
        if section.name == "on_command_line":
            sections[section.name] = dict(on_command_line or {})
        elif isinstance(section.type, type) and is_dataclass(section.type):
            sections[section.name] = options_from(section.type, values)
        else:
            sections[section.name] = values.get(section.name)
    return kind(**sections)


def flat(options: object) -> dict[str, Any]:
    """Return the values of a record of options by name, those of its sections among them, in their order."""
    values: dict[str, Any] = {}
    for section in fields(options):  # type: ignore[arg-type]
        value = getattr(options, section.name)
        if section.name == "on_command_line":
            continue
        if is_dataclass(value):
            values |= flat(value)
        else:
            values[section.name] = value
    return values
