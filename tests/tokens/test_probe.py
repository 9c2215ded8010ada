from dataclasses import replace

import pytest
import torch

from tests.base.test_errors import SHORT
from tests.conftest import WORDS, bert_tokenizer
from tests.models.families import FAMILIES, tiny_classifier, tiny_config
from toolkit.base.errors import UserError
from toolkit.compute.machine import Machine
from toolkit.compute.precision import Precision
from toolkit.layers.fast_bert import make_fast
from toolkit.models.configuration import takes
from toolkit.models.pretrained import without_mask
from toolkit.tokens.encoder import Encoder, make_encoder
from toolkit.tokens.probe import Fit, probe, probe_precision

CPU = torch.device("cpu")
FP32 = Machine(CPU, Precision("fp32", "cpu"))
BF16 = Machine(CPU, Precision("bf16", "cpu", is_automatic=True))
READ_PADDING = ("convbert", "fnet", "nystromformer", "xlnet")


def classifier(family: str, pairs: bool = False, **changes) -> tuple[torch.nn.Module, Encoder]:
    tokenizer = bert_tokenizer(WORDS)
    ends = {"pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.sep_token_id}
    model = tiny_classifier(tiny_config(family, **ends | changes))
    return model, make_encoder(tokenizer, model.config, None, "longest_first", pairs)


def padded_difference(model: torch.nn.Module, tokenizer) -> float:
    """Return by how much the scores of two texts change when they stand in a batch with a longer one."""
    texts = ["the food was bad", "nice", "we never had a very good room and the staff was rude too so never again"]
    with torch.inference_mode():
        together = model(**tokenizer(texts, padding=True, return_tensors="pt", return_token_type_ids=False)).logits
        alone = [model(**tokenizer(t, return_tensors="pt", return_token_type_ids=False)).logits for t in texts]
    return float((together - torch.cat(alone)).abs().max() / together.abs().max())


@pytest.mark.parametrize("family", FAMILIES)
def test_batches_have_rows_of_one_length_if_and_only_if_a_model_s_scores_depend_on_padding(family):
    model, encoder = classifier(family)
    if not takes(model.config, "attention_mask"):
        assert family == "fnet"
        model.register_forward_pre_hook(without_mask, with_kwargs=True)  # as when it is loaded
    model.eval()
    before = torch.get_rng_state()
    fit = probe("x", model, encoder, FP32)
    assert fit.equal_lengths == (family in READ_PADDING)
    assert fit.max_length == encoder.max_length
    assert len(fit.notes) == fit.equal_lengths
    assert (padded_difference(model, encoder.tokenizer) > 1e-3) == fit.equal_lengths
    assert torch.equal(torch.get_rng_state(), before)
    assert not model.training
    assert all(weight.grad is None for weight in model.parameters())
    assert not any(module._forward_pre_hooks or module._forward_hooks for module in model.base_model.modules())


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("pairs", [True, False])
def test_a_table_of_positions_that_is_smaller_than_the_configuration_says_is_found(fast, pairs):
    model, encoder = classifier("bert", pairs)
    table = model.bert.embeddings.position_embeddings
    model.bert.embeddings.position_embeddings = torch.nn.Embedding.from_pretrained(table.weight[:33], freeze=False)
    assert not fast or make_fast(model)
    fit = probe("x", model, encoder, FP32)
    assert replace(fit, notes=()) == Fit(33, False, "fp32", has_table=True)
    assert [*map(str, fit.notes)] == ["takes at most 33 tokens, fewer than its configuration says"]
    with pytest.raises(UserError, match="--max_length 40: this model takes at most 33 tokens"):
        probe("x", model, encoder, FP32, may_shorten=False)


def in_bf16_fails(model: torch.nn.Module, _: tuple) -> None:
    if torch.is_autocast_enabled("cpu") if hasattr(torch, "get_autocast_dtype") else torch.is_autocast_cpu_enabled():
        raise RuntimeError("value cannot be converted to type at::BFloat16\nwithout overflow")


def test_a_model_that_cannot_compute_in_a_number_format_does_in_fp32_unless_it_was_asked_to():
    model, encoder = classifier("bert")
    assert probe("x", model, encoder, BF16).precision == "bf16"
    model.register_forward_pre_hook(in_bf16_fails)
    fit = probe("x", model, encoder, BF16)
    assert (fit.precision, [*map(str, fit.notes)]) == ("fp32", ["cannot compute in bf16, so it does in fp32"])
    assert probe_precision("x", model, encoder, BF16) == "fp32"
    asked = Machine(CPU, Precision("bf16", "cpu"))
    for look in (probe, probe_precision):
        with pytest.raises(UserError, match="--precision bf16: Bert.* cannot compute in it .RuntimeError: value"):
            look("x", model, encoder, asked)


def test_what_only_fails_in_the_backward_pass_is_found_too():
    model, encoder = classifier("bert")

    def hold(_: torch.nn.Module, __: tuple, values: torch.Tensor) -> None:
        if values.requires_grad and values.dtype == torch.bfloat16:
            values.register_hook(lambda gradient: gradient * torch.inf)

    model.bert.encoder.layer[0].output.dense.register_forward_hook(hold)
    assert probe("x", model, encoder, BF16).precision == "fp32"
    assert probe_precision("x", model, encoder, BF16) == "bf16"


@pytest.mark.parametrize(
    ("look", "said"),
    [
        (lambda values, calls: values + len(calls), "scores the same text differently when it scores it again"),
        (lambda values, _: values + values.mean(0), "depend on the other texts of the batch"),
        (lambda values, _: values[:1] * 0 + 3, "gives all texts the same scores"),
        (lambda values, _: values * torch.inf, "are not finite numbers"),
        (lambda values, _: 1 / 0, "BertForSequenceClassification cannot score a text .ZeroDivisionError: "),
    ],
)
def test_a_model_that_cannot_be_helped_is_refused_in_a_sentence(look, said):
    model, encoder = classifier("bert")
    calls: list = []

    def change(_: torch.nn.Module, __: tuple, values: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        return look(values, calls)

    model.classifier.register_forward_hook(change)
    with pytest.raises(UserError, match=f"^model x: .*{said}"):
        probe("x", model, encoder, FP32)


def test_a_pass_that_runs_out_of_memory_is_not_taken_for_a_limit():
    model, encoder = classifier("bert")

    def fail(_: torch.nn.Module, args: tuple) -> None:
        if args[0].shape[1] > 20:
            raise RuntimeError("not enough memory: you tried to allocate")

    model.bert.encoder.register_forward_pre_hook(fail)
    assert probe("x", model, encoder, FP32).max_length == encoder.max_length


@pytest.mark.parametrize("error", SHORT.values(), ids=SHORT.keys())
def test_a_model_that_does_not_fit_the_memory_at_all_is_not_taken_for_one_that_cannot_score(error):
    model, encoder = classifier("bert")

    def fail(*_: object) -> None:
        raise error

    model.bert.encoder.register_forward_pre_hook(fail)
    with pytest.raises(type(error)) as caught:
        probe("x", model, encoder, FP32)
    assert caught.value is error
