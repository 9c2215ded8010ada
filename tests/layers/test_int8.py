import copy
import platform

import numpy as np
import pytest
import torch

from tests.layers.test_fast_bert import batch, classifier
from tests.models.architectures import BY_NAME, save
from toolkit.base.errors import UserError
from toolkit.compute import precision
from toolkit.compute.precision import choose_precision
from toolkit.layers import int8
from toolkit.layers.fast_bert import make_fast
from toolkit.layers.int8 import (
    Int8Conv1D,
    Int8Linear,
    can_int8,
    check_labels,
    every,
    int8_share,
    make_int8,
    without_int8,
)
from toolkit.models.pretrained import load_classifier, load_config

needed = pytest.mark.skipif(not can_int8(), reason="this torch or processor has no such products")
CPU = torch.device("cpu")


def layer(inputs: int, outputs: int, bias: bool = True) -> Int8Linear:
    torch.manual_seed(0)
    return Int8Linear(inputs, outputs, bias=bias)


@needed
@pytest.mark.parametrize("levels", [127, 63])
@pytest.mark.parametrize("values", ["around 0", "above 0", "below 0", "after GELU", "all 0"])
def test_products_are_those_of_whole_numbers(values, levels, monkeypatch):
    if levels == 127 and int8._saturates():
        pytest.skip("this processor adds up in 16 bits")
    monkeypatch.setattr(int8, "_saturates", lambda: levels == 63)
    draw = torch.randn(7, 100, generator=torch.Generator().manual_seed(1))
    rows = {
        "around 0": draw,
        "above 0": draw.abs() + 1,
        "below 0": -draw.abs() - 1,
        "after GELU": torch.nn.functional.gelu(draw),
        "all 0": draw * 0,
    }[values]
    linear = layer(100, 30)
    weight, bias = linear.weight.detach().double().numpy(), linear.bias.detach().double().numpy()
    x = rows.double().numpy()
    low, high = np.minimum(x.min(1, keepdims=True), 0), np.maximum(x.max(1, keepdims=True), 0)
    step = np.maximum((high - low) / 254, 1e-30)  # (7, 1): each row has its own
    zero = np.rint(-low / step)
    scale = np.abs(weight).max(1) / levels
    whole_x, whole_weight = np.rint(x / step + zero).astype(np.int64) - zero, np.rint(weight / scale[:, None])
    with torch.no_grad():
        found = linear(rows).double().numpy()
    expected = whole_x @ whole_weight.astype(np.int64).T * scale * step + bias
    # A value that lies between two whole numbers may go to either in fp32: one step in one of 100 products.
    difference = np.abs(found - expected)
    assert (difference <= 1e-5 * np.abs(expected) + 1.01 * levels * scale.max() * step).all()
    assert (difference < 1e-4 * step + 1e-6).mean() > 0.9
    error = np.abs(found - (x @ weight.T + bias))
    assert (error <= 100 * (step * np.abs(weight).max() + scale.max() * np.abs(x).max()) / 8 + 1e-6).all()


@needed
@pytest.mark.parametrize("outputs", [7, 30, 64])
@pytest.mark.parametrize("bias", [True, False])
def test_a_token_s_product_is_the_same_whatever_the_others_of_its_batch_are(outputs, bias):
    linear, draw = layer(100, outputs, bias), torch.Generator().manual_seed(1)
    tokens = torch.randn(37, 100, generator=draw) * torch.tensor([10.0 ** (n % 5 - 2) for n in range(37)])[:, None]
    tokens[5] = 0.0
    tokens[6] = 1e30
    with torch.no_grad():
        alone = torch.cat([linear(token[None]) for token in tokens])
        assert torch.equal(linear(tokens), alone)
        for size in (2, 3, 8, 20):
            assert torch.equal(torch.cat([linear(part) for part in tokens.split(size)]), alone)
        assert torch.equal(linear(tokens.flip(0)).flip(0), alone)


@needed
@pytest.mark.parametrize("fast", [True, False])
def test_a_row_s_logits_are_the_same_whatever_the_other_rows_of_its_batch_are(fast):
    """The other rows have the lengths that they had, so that what is computed in fp32 is the same to the last bit."""
    model = classifier().eval()
    if fast:
        make_fast(model)
    make_int8(model)
    inputs, others = batch(), batch()
    others["input_ids"][1:] = torch.randint(5, 100, (4, 20), generator=torch.Generator().manual_seed(2))
    model.bert.embeddings.word_embeddings.weight.data[others["input_ids"][1, 0]] *= 50  # an outlier, as [SEP]s are
    with torch.inference_mode():
        logits, other_logits = model(**inputs).logits, model(**others).logits
    assert torch.equal(logits[0], other_logits[0])
    assert not torch.equal(logits[1], other_logits[1])


@needed
def test_large_sums_are_not_cut_off():
    linear = layer(64, 16, bias=False)
    with torch.no_grad():
        linear.weight.fill_(0.5)
        found = linear(torch.ones(3, 64))
    torch.testing.assert_close(found, torch.full((3, 16), 32.0), rtol=0.01, atol=0)


@needed
@pytest.mark.parametrize("shape", [(1, 48), (3, 5, 48), (0, 48), (2, 0, 48)])
@pytest.mark.parametrize("bias", [True, False])
def test_any_number_of_rows_goes_through(shape, bias):
    linear, values = layer(48, 7, bias), torch.randn(shape)
    with torch.no_grad():
        expected = torch.nn.functional.linear(values, linear.weight, linear.bias)
        torch.testing.assert_close(linear(values), expected, atol=0.1, rtol=0)


@needed
@pytest.mark.parametrize("strange", [torch.nan, torch.inf])
def test_what_is_no_number_stays_none(strange):
    values = torch.randn(3, 48)
    values[1, 2] = strange
    with torch.no_grad():
        found = layer(48, 7)(values).isfinite().all(1)
    assert found.tolist() == [True, False, True]


@needed
@pytest.mark.parametrize("fast", [True, False])
def test_a_model_s_logits_stay_near_and_its_head_and_pooler_as_they_are(fast):
    plain = classifier().eval()
    changed = copy.deepcopy(plain)
    if fast:
        make_fast(changed)
    make_int8(changed)
    assert sum(isinstance(module, Int8Linear) for module in changed.modules()) == 3 * 6
    assert type(changed.classifier) is type(changed.bert.pooler.dense) is torch.nn.Linear
    with torch.inference_mode():
        expected, found = plain(**batch()).logits, changed(**batch()).logits
        assert not torch.equal(found, expected)
        torch.testing.assert_close(found, expected, atol=0.15 * float(expected.abs().max()), rtol=0)
        with without_int8(changed):
            torch.testing.assert_close(changed(**batch()).logits, expected, atol=1e-5, rtol=1e-5)
        assert torch.equal(changed(**batch()).logits, found)
    assert changed.state_dict().keys() == plain.state_dict().keys()


def test_labels_that_change_are_counted_and_refused_when_there_are_too_many():
    model = classifier().eval()
    make_int8(model)
    linear = model.bert.encoder.layer[0].output.dense
    in_fp32, in_int8 = np.zeros(1000, int), np.array([0] * 998 + [1] * 2)

    def predict() -> np.ndarray:
        return in_int8 if linear.on else in_fp32

    assert "998 of 1,000 compared rows" in str(check_labels(model, predict, 0.998))
    with pytest.raises(UserError, match="998 of 1,000 compared rows .* less than --min_agreement 0.999"):
        check_labels(model, predict, 0.999)
    assert linear.on
    assert "0 of 0 compared rows" in str(check_labels(model, lambda: np.zeros(0, int), 1.0))


@pytest.mark.parametrize("total", [0, 1, 999, 1000, 1001, 2000, 2001, 123_456])
def test_compared_rows_are_from_all_over_the_file_and_a_thousand_at_most(total):
    rows = range(0, total, every(total))
    assert len(rows) <= 1000
    assert total <= 1000 or len(rows) > 500
    assert not total or total - rows[-1] <= every(total)


def test_an_x86_processor_with_onednn_has_it():
    if platform.machine() != "x86_64" or not torch.backends.mkldnn.is_available():
        pytest.skip("another processor, or a torch without oneDNN")
    assert can_int8()


def test_it_is_refused_where_it_cannot_be_computed(monkeypatch):
    monkeypatch.setattr(precision, "can_int8", lambda: True)
    assert choose_precision("int8", CPU).dtype == torch.float32
    with pytest.raises(UserError, match="int8 works only on the CPU, but this device is mps; add --device cpu"):
        choose_precision("int8", torch.device("mps"))
    monkeypatch.setattr(precision, "can_int8", lambda: False)
    with pytest.raises(UserError, match="int8 needs an x86 processor"):
        choose_precision("int8", CPU)


@needed
@pytest.mark.parametrize(("name", "layers"), [("GPT-2", 2 * 4), ("BERT", 2 * 6), ("Qwen2", 2 * 7)])
def test_the_layers_of_decoders_are_in_int8_too(name, layers, tmp_path):
    plain = load_classifier(str(save(BY_NAME[name], tmp_path)), load_config(str(tmp_path))).model.eval()
    changed = copy.deepcopy(plain)
    make_int8(changed)
    assert sum(isinstance(module, (Int8Linear, Int8Conv1D)) for module in changed.modules()) == layers
    assert int8_share(changed) == 1
    ids = torch.tensor([[5, 9, 14, 20, 3]])
    with torch.inference_mode():
        expected, found = plain(input_ids=ids).logits, changed(input_ids=ids).logits
        assert not torch.equal(found, expected)
        torch.testing.assert_close(found, expected, atol=0.15 * float(expected.abs().max()), rtol=0)
        with without_int8(changed):
            torch.testing.assert_close(changed(input_ids=ids).logits, expected)


@needed
@pytest.mark.parametrize("name", ["SqueezeBERT", "I-BERT"])
def test_a_model_that_has_no_linear_layers_is_refused(name, tmp_path):
    model = load_classifier(str(save(BY_NAME[name], tmp_path)), load_config(str(tmp_path))).model
    with pytest.raises(UserError, match="--precision int8: 0% of the encoder's weights of a .* leave it out"):
        make_int8(model)


@needed
def test_a_model_of_which_a_part_is_in_int8_says_which_share(tmp_path):
    model = load_classifier(str(save(BY_NAME["ConvBERT"], tmp_path)), load_config(str(tmp_path))).model
    make_int8(model)
    assert 0.5 < int8_share(model) < 1
    said = str(check_labels(model, lambda: np.zeros(3, int), 1.0))
    share = f"int8 (of {int8_share(model):.0%} of the encoder's weights)"
    assert said == f"{share}: 3 of 3 compared rows keep the label of fp32"
