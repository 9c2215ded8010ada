"""A run while it trains: what it works on, how far it has come, and where it is written."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from toolkit.cli.console import Log
from toolkit.cli.sections import FineTuningOptions, TrainingOptions
from toolkit.compute.device import unwrap
from toolkit.compute.machine import Machine
from toolkit.compute.memory import RowLimit, release_memory
from toolkit.evaluation.tasks import Task, training_task
from toolkit.models.head_design import HeadDesign
from toolkit.models.lora import LoraSettings, remove_lora
from toolkit.models.trained_part import TrainedPart, freeze
from toolkit.models.vocabulary import WholeEmbeddings
from toolkit.runs.checkpoint import TrainerState
from toolkit.runs.directory import RunDirectory
from toolkit.runs.progress import Progress
from toolkit.runs.resume import resume
from toolkit.runs.run_json import RunFacts, VocabularyFacts, table_facts, versions
from toolkit.runs.trained_weights import trained_facts
from toolkit.runs.validation_scores import ValidationScores, fingerprint_rows
from toolkit.training.bad_steps import BadStepMonitor
from toolkit.training.banner import StepCount, say_machine, say_recipe, say_steps, say_trained
from toolkit.training.learner import Learner, StepSettings
from toolkit.training.loss import make_loss, say_loss
from toolkit.training.optimizer import Schedule, make_optimizer
from toolkit.training.recipe import Circumstances, Recipe, choose_recipe
from toolkit.training.stop_signals import StopSignals
from toolkit.training.teachers import fingerprint_teachers
from toolkit.training.training_data import TrainingData


@dataclass
class Trainer:
    """All that the training loop works with; after `release` only what that returns can be used."""

    options: FineTuningOptions
    machine: Machine
    data: TrainingData
    directory: RunDirectory
    log: Log
    learner: Learner
    progress: Progress
    bad_steps: BadStepMonitor
    signals: StopSignals
    recipe: Recipe
    task: Task
    facts: RunFacts | None  # without what only an evaluation tells; None in all but the main process
    whole: WholeEmbeddings | None = None  # the way back to all tokens, where the model has those of the datasets
    valid_logits: np.ndarray = field(default_factory=lambda: np.empty((0, 0), np.float32))  # (N, C), last evaluation's

    @property
    def model(self) -> torch.nn.Module:
        """The model without the wrapper that spreads it over devices or processes."""
        return unwrap(self.learner.model)

    def with_all_tokens(self) -> AbstractContextManager:
        """Return a context in which the model has its whole vocabulary, to be saved."""
        return nullcontext() if self.whole is None else self.whole.back_in(self.model)

    @property
    def steps_per_epoch(self) -> int:
        """How many steps an epoch has."""
        return steps_per_epoch(self.options, self.data)

    @property
    def total_steps(self) -> int:
        """How many steps the run has if it is not stopped early."""
        return self.recipe.epochs * self.steps_per_epoch

    def run_facts(self) -> RunFacts:
        """Return what becomes run.json in the main process, as it is after the last evaluation."""
        assert self.facts is not None, "only the main process has the facts of the run"
        speed = self.progress.speed()
        return replace(
            self.facts,
            metrics=self.progress.best(),
            train_seconds=speed.train_seconds,
            real_tokens_per_second=speed.real_tokens_per_second,
            versions=versions(),
        )

    def validation_scores(self) -> ValidationScores:
        """Return in the main process what the last evaluation made of the validation rows."""
        rows = fingerprint_rows(self.data.tables["valid"].frame)
        return ValidationScores(self.valid_logits, self.data.valid.label_ids, rows)

    def save(self) -> None:
        """Write the checkpoint and put the best model in its place; then end the run if it must stop."""
        self.progress.row_limit = self.learner.limit.rows  # so that a resumed run need not find it again
        state = TrainerState(self.model, self.learner.optimizer, self.learner.scaler)
        self.directory.save(state, self.progress, self.facts)
        self.bad_steps.stop_if_too_many()
        self.signals.raise_if_stopping(self.progress.step, str(self.directory.resumed_by))

    def release(self) -> torch.nn.Module | None:
        """Free the memory that training held: optimizer, gradients, kept states and, in the main process, the model.

        Return the model in the other processes, which get the best weights into it.
        """
        model: torch.nn.Module | None = self.learner.release()
        remove_lora(model)  # the model that was saved has it in its weights
        del self.learner
        data = self.data
        self.data = replace(data, train=data.train.with_states(None), valid=data.valid.with_states(None))
        del self.bad_steps  # it refers to the guard of the learner
        if self.machine.is_main:
            model = None
        elif self.whole is not None:
            self.whole.put_back(model)
        release_memory()
        return model


def steps_per_epoch(options: FineTuningOptions, data: TrainingData) -> int:
    """Return how many steps an epoch has."""
    return -(-data.train.row_count // options.training.batch_size)


def begin_training(
    options: FineTuningOptions,
    machine: Machine,
    data: TrainingData,
    directory: RunDirectory,
    log: Log,
    model: torch.nn.Module,
) -> Trainer:
    """Return the Trainer of a run, which begins with a new model or resumes from its checkpoint; open its directory.

    Raises UserError if the labels are not what the options need, or if the run cannot be resumed or written.
    """
    training = options.training
    is_main = machine.is_main
    task = training_task(data.labels, data.several_labels, training)
    betas = (training.adam_beta1, training.adam_beta2)
    part = trained_part(training)
    frozen = freeze(model.to(machine.device), part)
    optimizer = make_optimizer(model, training.weight_decay, betas, training.adam_epsilon)
    scaler = machine.precision.scaler()
    recipe = choose_recipe(training, circumstances(options, data, model))
    facts = None
    if is_main:
        facts = describe_run(options, machine, data, recipe, task.positive_label)
    progress = Progress()
    if options.output.resume:
        resumed = resume(
            directory.paths.checkpoint_dir, TrainerState(model, optimizer, scaler), facts, machine.processes
        )
        progress = resumed.progress
        if facts is not None:
            facts = replace(facts, recipe=resumed.facts.recipe)
    settings = step_settings(options, data, recipe)
    limit = RowLimit(progress.row_limit or rows_at_once(training, data), log, data.fit.equal_lengths)
    wrapped = machine.wrap_for_training(model)
    learner = Learner(wrapped, optimizer, scaler, settings, machine, limit, progress.step, frozen)
    bad_steps = BadStepMonitor(learner.guard, progress, log, data.trained_on, training.max_bad_steps)
    signals = StopSignals(machine.processes, limit, resumable=options.trains_a_run)
    say_trained(log, model, part)
    say_loss(log, settings.loss, data.labels)
    say_recipe(log, recipe)
    step_count = StepCount(recipe.epochs, training.batch_size, training.seed, progress.step, training.micro_batch_size)
    padding_share = say_steps(log, model, data.train, step_count, not data.fit.equal_lengths)
    if facts is not None:
        facts = replace(facts, padding_share=padding_share)
    say_machine(log, wrapped, machine.device, machine.processes.size, machine.precision.name)
    directory.open(log, data.all_tables, facts, options.output.resume)
    return Trainer(options, machine, data, directory, log, learner, progress, bad_steps, signals, recipe, task, facts)


def trained_part(training: TrainingOptions) -> TrainedPart:
    """Return which part of a model is trained."""
    lora = LoraSettings(training.lora_rank, training.lora_alpha, training.lora_dropout)
    return TrainedPart.from_option(training.train, lora)


def step_settings(options: FineTuningOptions, data: TrainingData, recipe: Recipe) -> StepSettings:
    """Return how the steps of a run are taken."""
    training = options.training
    total_steps = recipe.epochs * steps_per_epoch(options, data)
    schedule = Schedule(recipe.learning_rate, training.scheduler, total_steps, training.warmup_ratio)
    loss = make_loss(training.loss, data.labels, data.train.label_ids)
    return StepSettings(schedule.learning_rate, training.max_grad_norm, training.seed, loss)


def rows_at_once(training: TrainingOptions, data: TrainingData) -> int | None:
    """Return how many rows, or windows, a device has at once; None for all of a batch."""
    if training.micro_batch_size is None and data.train.has_windows:
        return training.batch_size  # a batch of long rows has many more windows
    return training.micro_batch_size


def circumstances(options: FineTuningOptions, data: TrainingData, model: Any) -> Circumstances:
    """Return what the recipe of a run is chosen by."""
    hidden_size = model.get_input_embeddings().weight.shape[1]
    if isinstance(getattr(model.config, "hidden_size", None), int):
        hidden_size = model.config.hidden_size
    return Circumstances(data.train.row_count, data.valid.row_count, hidden_size, not options.data.find_label_errors)


def vocabulary_facts(data: TrainingData) -> VocabularyFacts | None:
    """Return what run.json says of the vocabulary in the main process, None if it is the whole one."""
    if data.vocabulary is None or data.changed_share is None:
        return None
    vocabulary = data.vocabulary
    return VocabularyFacts(len(vocabulary.kept), vocabulary.size, vocabulary.fingerprint(), data.changed_share)


def describe_run(
    options: FineTuningOptions, machine: Machine, data: TrainingData, recipe: Recipe, positive_label: str
) -> RunFacts:
    """Return what is known of a run before it has trained."""
    encoder = data.main_encoder
    chosen = recipe.values() | {"pooling": data.pooling, "truncation": encoder.truncation}
    part = trained_part(options.training)
    trained = None
    if not part.is_all:
        trained = trained_facts(str(part), data.model.name, data.model.source, part.lora_scale)
    teachers = options.training.teaching.teacher
    return RunFacts(
        trained=trained,
        teachers=None if teachers is None else fingerprint_teachers(teachers),
        base_model=data.model.name,
        vocabulary=vocabulary_facts(data),
        head=HeadDesign.from_options(options.model),
        labels=data.labels,
        positive_label=positive_label,
        columns=data.tables["train"].columns,
        max_length=encoder.max_length,
        truncation=encoder.truncation,
        stride=None if encoder.windows is None else encoder.windows.stride,
        max_windows=None if encoder.windows is None else encoder.windows.max_windows,
        equal_lengths=data.fit.equal_lengths,
        precision=machine.precision.name,
        device=str(machine.device),
        processes=machine.processes.size,
        options=options.as_dict() | chosen,
        recipe={name: str(reason) for name, reason in recipe.reasons.items()},
        data=table_facts(data.all_tables, {"train": data.train, "valid": data.valid}),
        findings=[finding.as_json() for finding in data.findings],
    )
