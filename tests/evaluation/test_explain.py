"""The words that mattered: what they add up to, which they are, and that they make up the text."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import Unigram
from tokenizers.pre_tokenizers import Metaspace
from transformers import AutoModelForSequenceClassification, AutoTokenizer, BertTokenizer, PreTrainedTokenizerFast

from tests.base.test_errors import SHORT
from toolkit.base.errors import TooLittleMemory
from toolkit.evaluation import explain as attributions
from toolkit.evaluation.explain import Segment, attribute
from toolkit.tokens.windows import Windows
from utils import Encoder

ROWS = [
    ("the food was very good , but the staff was  awful .",),
    ("nice",),
    ("it is not a bad place and the bed was lovely again and again .",),
]
PAIRS = [("the room was good", "the room was superb ."), ("bad food", "we always complain , never again")]


def loaded(folder: Path) -> tuple:
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    return model, AutoTokenizer.from_pretrained(folder)


def encoder_of(tokenizer, pairs: bool = False, max_length: int = 64, truncation: str = "longest_first") -> Encoder:
    return Encoder(tokenizer, max_length, truncation, pairs, True)


def first_less_second(rows: int) -> np.ndarray:
    """How much each of two logits counts where the second is taken from the first."""
    return np.array([[1, -1]] * rows)


def difference(model, tokenizer, row: tuple[str, ...], blank: bool) -> float:
    """The first logit less the second of a row, or of one whose words are all padding."""
    encoded = tokenizer(*row, return_tensors="pt", return_token_type_ids=True)
    if blank:
        for position, sequence in enumerate(encoded.sequence_ids(0)):
            if sequence is not None:
                encoded["input_ids"][0, position] = tokenizer.pad_token_id
    with torch.no_grad():
        logits = model(**encoded).logits[0]
    return float(logits[0] - logits[1])


@pytest.mark.parametrize("rows", [ROWS, PAIRS])
def test_the_attributions_of_a_row_add_up_to_what_its_words_change(english_bert, rows, monkeypatch):
    model, tokenizer = loaded(english_bert)
    monkeypatch.setattr(attributions, "QUADRATURE_POINTS", 100)
    found = {}
    monkeypatch.setattr(attributions, "_segments", lambda texts, windows: found.setdefault(texts, windows[0][1]))
    attribute(model, encoder_of(tokenizer, len(rows[0]) == 2), rows, first_less_second(len(rows)))
    for row in rows:
        expected = difference(model, tokenizer, row, False) - difference(model, tokenizer, row, True)
        assert found[row].sum() == pytest.approx(expected, abs=2e-3)


def test_the_words_of_a_long_row_have_the_sum_of_what_they_have_in_its_windows(english_bert, monkeypatch):
    model, tokenizer = loaded(english_bert)
    row = ("the food was very good , but the staff was awful and we never complain again",)
    encoder = replace(encoder_of(tokenizer, max_length=8), windows=Windows(stride=2, max_windows=9))
    [windowed] = attribute(model, encoder, [row], first_less_second(1))
    assert "".join(segment.text for segment in windowed[0]) == row[0]
    words = row[0].split()
    sums = np.zeros(len(words))
    weights = {}
    segments = attributions._segments
    monkeypatch.setattr(attributions, "_segments", lambda texts, parts: weights.update({texts: parts[0][1]}))
    for start in (0, 4, 8, 12):  # six words at a time, of which two are those of the window before
        part = (" ".join(words[start : start + 6]),)
        attribute(model, encoder_of(tokenizer), [part], first_less_second(1))
        sums[start : start + 6] += weights[part][1:-1]
    monkeypatch.setattr(attributions, "_segments", segments)
    expected = sums / np.abs(sums).max()
    weighed = [segment.weight for segment in windowed[0] if segment.text.strip()]
    np.testing.assert_allclose(weighed, expected, atol=1e-4)
    truncated = attribute(model, encoder_of(tokenizer, max_length=8), [row], first_less_second(1))[0]
    assert truncated[0][-1].weight is None


def test_segments_make_up_the_texts_and_the_largest_weighs_one(english_bert):
    model, tokenizer = loaded(english_bert)
    for rows in (ROWS, PAIRS, [("a  😀 text\nof\todd　things",)]):
        found = attribute(model, encoder_of(tokenizer, len(rows[0]) == 2), rows, first_less_second(len(rows)))
        assert ["".join(segment.text for segment in text) for row in found for text in row] == [
            t for r in rows for t in r
        ]
        for row in found:
            weights = [abs(segment.weight) for text in row for segment in text if segment.weight is not None]
            assert max(weights) == pytest.approx(1)


def test_words_of_a_language_without_blanks_are_told_apart_where_the_tokenizer_takes_a_sentence_for_one():
    text = "豆腐很淡，不太喜欢，猪蹄不错! very good"
    worth = {"▁豆腐": 0.1, "很": 0.0, "淡": -0.2, "，": 0.05, "不太": -0.9, "喜欢": 0.4, "猪蹄": 0.0, "不错": 1.0,
             "!": 0.3, "▁very": 0.1, "▁go": 0.2, "od": 0.1}  # fmt: skip
    pieces = ["<unk>", "<s>", "</s>", "<pad>", *worth]
    unigram = Tokenizer(Unigram([(piece, -float(len(pieces) - len(piece))) for piece in pieces], unk_id=0))
    unigram.pre_tokenizer = Metaspace()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=unigram, unk_token="<unk>", bos_token="<s>", eos_token="</s>", pad_token="<pad>"
    )
    ((row,),) = attributions._tokenize(encoder_of(tokenizer), [(text,)])
    tokens = tokenizer.convert_ids_to_tokens(row.input_ids)
    assert "".join(tokens).replace("▁", "") == text.replace(" ", "")
    assert len(set(row.word_ids)) == 3, "the tokenizer divides at blanks alone"
    weights = np.array([worth[token] for token in tokens])
    (segments,) = attributions._segments((text,), [(row, weights)])
    assert "".join(segment.text for segment in segments) == text
    by_text = {segment.text.strip(): segment.weight for segment in segments}
    assert by_text == pytest.approx({
        "豆腐": 0.1, "很": 0.0, "淡": -0.2, "，": 0.05, "不太": -0.9, "喜欢": 0.4, "猪蹄": 0.0, "不错": 1.0, "!": 0.3,
        "very": 0.1, "good": 0.3,
    })  # fmt: skip


class Linear(torch.nn.Module):
    """A model whose logits are sums over the words, so that it is known what each adds."""

    def __init__(self, words: int):
        super().__init__()
        torch.manual_seed(0)
        self.table, self.head = torch.nn.Embedding(words, 8), torch.nn.Linear(8, 3)

    def get_input_embeddings(self) -> torch.nn.Embedding:
        return self.table

    def forward(self, inputs_embeds, attention_mask, token_type_ids):
        return SimpleNamespace(logits=self.head(inputs_embeds * attention_mask[..., None]).sum(1))


def test_weights_are_those_of_a_model_that_only_adds_up_its_words(english_bert):
    tokenizer = AutoTokenizer.from_pretrained(english_bert)
    model = Linear(len(tokenizer))
    (row,) = attribute(model, encoder_of(tokenizer), [("the staff was very awful .",)], np.array([[-1, 0, 1]]))
    direction = model.head.weight[2] - model.head.weight[0]
    blank = model.table.weight[tokenizer.pad_token_id]
    words = [segment for segment in row[0] if segment.text.strip()]
    ids = tokenizer.convert_tokens_to_ids([segment.text for segment in words])
    expected = ((model.table.weight[ids] - blank) @ direction).tolist()
    largest = max(map(abs, expected))
    assert [segment.weight for segment in words] == pytest.approx([value / largest for value in expected], abs=1e-5)


class Small(Linear):
    """A model that has memory for so many tokens, padding included, and not for one more."""

    def __init__(self, words: int, tokens: int, error: BaseException):
        super().__init__(words)
        self.tokens, self.error = tokens, error

    def forward(self, inputs_embeds, attention_mask, token_type_ids):
        if attention_mask.numel() > self.tokens:
            raise self.error
        return super().forward(inputs_embeds, attention_mask, token_type_ids)


@pytest.mark.parametrize("error", SHORT.values(), ids=SHORT.keys())
def test_a_row_that_does_not_fit_alone_is_left_out_and_the_others_stay(english_bert, error):
    tokenizer = AutoTokenizer.from_pretrained(english_bert)
    encoder, contrasts = encoder_of(tokenizer), np.array([[1, -1, 0]] * 3)
    lengths = [len(tokenizer(*row)["input_ids"]) for row in ROWS]
    expected = attribute(Linear(len(tokenizer)), encoder, ROWS, contrasts)
    sizes = sorted({*lengths, *(length - 1 for length in lengths), sum(lengths)})
    if error is not next(iter(SHORT.values())):
        sizes = [sizes[0], sizes[len(sizes) // 2]]  # the other kinds of errors have to be known as such
    for tokens in sizes:
        fits = [length <= tokens for length in lengths]
        model = Small(len(tokenizer), tokens, error)
        if not any(fits):
            with pytest.raises(TooLittleMemory, match="out of memory with a single row"):
                attribute(model, encoder, ROWS, contrasts)
            continue
        found = attribute(model, encoder, ROWS, contrasts)
        assert [row is not None for row in found] == fits
        for row, other in zip(found, expected, strict=True):
            if row is not None:
                assert [s.text for s in row[0]] == [s.text for s in other[0]]
                assert [s.weight or 0 for s in row[0]] == pytest.approx([s.weight or 0 for s in other[0]], abs=1e-5)


def test_contrasts_turned_round_turn_the_weights_round(english_bert):
    model, tokenizer = loaded(english_bert)
    one, other = (attribute(model, encoder_of(tokenizer), ROWS, sign * first_less_second(3)) for sign in (1, -1))
    for a, b in zip(one, other, strict=True):
        assert [s.weight for s in a[0] if s.weight] == pytest.approx([-s.weight for s in b[0] if s.weight], abs=1e-5)


def test_what_is_cut_off_has_no_weight_and_a_batch_changes_nothing(english_bert, monkeypatch):
    model, tokenizer = loaded(english_bert)
    how, contrasts = encoder_of(tokenizer, max_length=8), first_less_second(3)
    found = attribute(model, how, ROWS, contrasts)
    words = [s for s in found[0][0] if s.text.strip()]
    assert [s.weight is not None for s in words] == [True] * 6 + [False] * (len(words) - 6)
    monkeypatch.setattr(attributions, "MAX_TOKENS_AT_ONCE", 1)
    for a, b in zip(found, attribute(model, how, ROWS, contrasts), strict=True):
        assert [s.text for s in a[0]] == [s.text for s in b[0]]
        assert [s.weight or 0 for s in a[0]] == pytest.approx([s.weight or 0 for s in b[0]], abs=1e-5)


def test_models_and_tokenizers_that_cannot_tell_give_nothing(english_bert, tmp_path):
    model, tokenizer = loaded(english_bert)
    vocabulary = sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().get)
    (tmp_path / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    slow = BertTokenizer(str(tmp_path / "vocab.txt"))
    if not slow.is_fast:
        assert attribute(model, encoder_of(slow), ROWS, first_less_second(3)) == []
    assert attribute(model, encoder_of(tokenizer), [], np.zeros((0, 2), int)) == []

    class Without(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = model

        def get_input_embeddings(self):
            return self.inner.get_input_embeddings()

        def forward(self, input_ids, **_):
            return self.inner(input_ids)

    assert attribute(Without(), encoder_of(tokenizer), ROWS, first_less_second(3)) == []


def test_a_distilbert_can_be_asked_too(distilbert):
    model, tokenizer = loaded(distilbert)
    how = Encoder(tokenizer, 64, "longest_first", False, False)
    found = attribute(model, how, ROWS, first_less_second(3))
    assert [len(row) for row in found] == [1, 1, 1]
    assert all(isinstance(segment, Segment) for row in found for segment in row[0])
