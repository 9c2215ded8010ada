"""Whether an exported model answers as the one that it was written from, and what is said of it."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from toolkit.base.disk import fingerprint
from toolkit.base.errors import UserError
from toolkit.base.languages import COMMA, Text, count_of, joined
from toolkit.data.row_texts import RowTexts
from toolkit.evaluation.decision import Decision
from toolkit.evaluation.label_set_decision import EVEN, LabelSetDecision
from toolkit.evaluation.tasks import AnyDecision
from toolkit.runs.run_json import RunFacts
from toolkit.serving.exported_model import MODEL, QUANTIZED, TokenizerFacts, file_encoder
from toolkit.serving.texts import EXPORT
from toolkit.tokens.encoder import Encoder
from toolkit.tokens.tokenized_rows import TokenizedRows, tokenize_rows

COMPARED_ROWS = 200
MOST_DIFFERENCE = 1e-5  # of a probability in fp32
ODD_TEXTS = (  # that tokenizers are known to take differently
    "",
    " ",
    "\u3000",
    "a  b\tc\nd",
    "Ünïcödé naïve İstanbul ﬁ ǆ ß",
    "e\u0301 A\u030a \u1100\u1161",
    "中文, 日本語 한국어 ภาษาไทย",
    "العربية עברית",
    "👩‍👩‍👧 🇩🇪 ☂️ \ufeff\u200b\u00ad",
    "[CLS] [SEP] [MASK] [UNK] [PAD]",
    "<s> </s> <mask> <unk> <pad>",
    "don't U.S.A. 3.14 -- C++ \\ `x`",
    "１２３ ① ½ ㎏",
    "\U00020000 \ufffd \ue000",
    "x" * 200,
    "word " * 600,
)
SAME_TEMPERATURE = 0.005  # one that differs from 1 by less is not worth a line


@dataclass(frozen=True)
class ExportCheck:
    """What the model answers for N rows, with which an exported one is compared; shapes (N, C)."""

    logits: np.ndarray  # those that the file is to give
    decision: AnyDecision  # of such logits; where a row has one label, the most probable one

    @classmethod
    def of(cls, logits: np.ndarray, decision: AnyDecision) -> "ExportCheck":
        """Return what the model answers by its logits (N, C); `decision` is its own, whose temperature is in them."""
        if isinstance(decision, LabelSetDecision):
            rest = decision.temperature / decision.written_temperature
            return cls(logits, LabelSetDecision(decision.thresholds, temperature=rest))
        return cls(logits, Decision())

    @property
    def rows(self) -> Text:
        """How many rows are compared."""
        return count_of(len(self.logits), "row")

    def same_labels(self, logits: np.ndarray) -> int:
        """Return how many rows have the same label, or the same set of labels, by other logits (N, C)."""
        same = self.decision.label_ids(logits) == self.decision.label_ids(self.logits)
        return int(same.reshape(len(logits), -1).all(axis=1).sum())

    def check_exact(self, logits: np.ndarray, folder: Path, size: int) -> Text:
        """Return what is said of a file in fp32 that gives these logits (N, C) and has so many bytes.

        Raises UserError if a probability differs by more than rounding.
        """
        expected = self.decision.probabilities(self.logits)
        difference = float(np.abs(self.decision.probabilities(logits) - expected).max())
        if not difference <= MOST_DIFFERENCE:
            raise UserError(EXPORT["differs"].fill(rows=self.rows, difference=difference, most=MOST_DIFFERENCE))
        return EXPORT["written"].fill(
            file=folder / MODEL, size=size / 1e6, rows=self.rows, same=self.same_labels(logits), difference=difference
        )

    def keeps_labels(self, logits: np.ndarray, min_agreement: float) -> bool:
        """Say whether logits (N, C) keep the label of at least this share of the rows."""
        return self.same_labels(logits) >= min_agreement * len(self.logits)

    def judge_int8(self, logits: np.ndarray, min_agreement: float, folder: Path, size: int) -> Text:
        """Return what becomes of a file in int8 that gives these logits (N, C) and has so many bytes."""
        facts = {"file": folder / QUANTIZED, "rows": self.rows, "same": self.same_labels(logits)}
        if self.keeps_labels(logits, min_agreement):
            return EXPORT["quantized"].fill(size=size / 1e6, **facts)
        return EXPORT["not_quantized"].fill(least=min_agreement, **facts)


def export_notes(decision: AnyDecision, run: RunFacts) -> list[Text]:
    """Return what a user of the exported file has to know: what is in it of a decision, and what is not."""
    notes = []
    if abs(decision.written_temperature - 1) > SAME_TEMPERATURE:
        function = "sigmoid" if run.columns.have_label_sets else "softmax"
        notes.append(EXPORT["tempered"].fill(temperature=decision.written_temperature, function=function))
    notes += _rules_left_out(decision, run)
    if run.equal_lengths:
        notes.append(EXPORT["equal_lengths"])
    return notes


def _rules_left_out(decision: AnyDecision, run: RunFacts) -> list[Text]:
    """Return what is said of the rules by which the run predicts and which no exported file can hold."""
    if isinstance(decision, LabelSetDecision):
        is_even = all(threshold == EVEN for threshold in decision.thresholds)
        return [] if is_even else [EXPORT["thresholds"]]
    rules = []
    if decision.threshold is not None:
        label = run.labels[decision.positive_id]
        rules.append(EXPORT["threshold"].fill(threshold=decision.threshold, label=label))
    if decision.bias is not None:
        rules.append(EXPORT["bias"])
    return [EXPORT["decides"].fill(rule=joined(rules, COMMA))] if rules else []


def tokenizer_facts(path: Path, encoder: Encoder, run: RunFacts, texts: RowTexts) -> TokenizerFacts | None:
    """Return what is noted of a tokenizer.json that gives the tokens of an encoder; None if there is none that does.

    It is tried on texts, and on some that are odd.
    """
    if not (path.is_file() and encoder.tokenizer.is_fast and find_spec("tokenizers")):
        return None
    facts = TokenizerFacts(fingerprint(path), encoder.tokenizer.pad_token_id, encoder.token_types)
    try:
        by_file = file_encoder(path, facts, run)
    except UserError:
        return None
    odd_texts = RowTexts(ODD_TEXTS, ODD_TEXTS[::-1] if encoder.pairs else None)
    for tried in (texts, odd_texts):
        if not _same_tokens(tokenize_rows(encoder, tried), tokenize_rows(by_file, tried)):
            return None
    return facts


def _same_tokens(rows: TokenizedRows, others: TokenizedRows) -> bool:
    """Say whether rows have the same tokens, and the same types of them."""
    pairs = [(rows.token_ids, others.token_ids), (rows.token_types or [], others.token_types or [])]
    return all(
        len(ours) == len(theirs) and all(map(np.array_equal, ours, theirs)) for ours, theirs in pairs
    ) and np.array_equal(rows.windows.row_ids, others.windows.row_ids)
