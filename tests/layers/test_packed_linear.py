import copy

import pytest
import torch

from tests.layers.test_fast_bert import batch, classifier
from toolkit.layers import packed_linear
from toolkit.layers.packed_linear import PackedLinear, can_pack, pack_linear_layers, packed_linear_layers

needs_onednn = pytest.mark.skipif(not can_pack(torch.float32), reason="this torch or processor has no such products")


@pytest.fixture
def many_threads(monkeypatch):
    monkeypatch.setattr(packed_linear, "MIN_FP32_THREADS", 1)


@needs_onednn
def test_logits_are_those_of_plain_layers(many_threads):
    plain = classifier().eval()
    fast = copy.deepcopy(plain)
    assert pack_linear_layers(fast, torch.float32)
    assert sum(isinstance(module, PackedLinear) for module in fast.modules()) == 3 * 6 + 2
    with torch.inference_mode():
        torch.testing.assert_close(fast(**batch()).logits, plain(**batch()).logits, atol=1e-5, rtol=1e-5)
    with torch.no_grad():
        torch.testing.assert_close(fast(**batch()).logits, plain(**batch()).logits, atol=1e-5, rtol=1e-5)


@needs_onednn
@pytest.mark.parametrize("shape", [(1, 48), (3, 5, 48), (0, 48)])
@pytest.mark.parametrize("bias", [True, False])
def test_any_number_of_rows_goes_through(many_threads, shape, bias):
    layer = PackedLinear(48, 7, bias=bias)
    values = torch.randn(shape)
    with torch.no_grad():
        expected = torch.nn.functional.linear(values, layer.weight, layer.bias)
        torch.testing.assert_close(layer(values), expected, atol=1e-5, rtol=1e-5)


@needs_onednn
def test_weights_that_change_are_packed_again(many_threads):
    layer, values = PackedLinear(20, 30), torch.randn(4, 20)
    with torch.no_grad():
        layer(values)
        first = layer.packed.weight
        layer(values)
        assert layer.packed.weight is first
        layer.weight.mul_(2)
        torch.testing.assert_close(layer(values), torch.nn.functional.linear(values, layer.weight, layer.bias))
        layer.weight = torch.nn.Parameter(torch.randn(30, 20))
        torch.testing.assert_close(layer(values), torch.nn.functional.linear(values, layer.weight, layer.bias))
        layer.load_state_dict({name: tensor * 3 for name, tensor in layer.state_dict().items()})
        torch.testing.assert_close(layer(values), torch.nn.functional.linear(values, layer.weight, layer.bias))


@needs_onednn
def test_training_does_not_use_the_copies_and_the_file_does_not_have_them(many_threads):
    model = classifier()
    names = list(model.state_dict())
    assert pack_linear_layers(model, torch.float32)
    with torch.no_grad():
        model(**batch())
    model(**batch()).logits.sum().backward()
    assert model.classifier.weight.grad is not None
    assert list(model.state_dict()) == names


@pytest.mark.skipif(not can_pack(torch.bfloat16), reason="this processor has no products of bf16")
def test_in_bf16_products_are_those_of_autocast():
    layer, values = torch.nn.Linear(64, 48), torch.randn(9, 64)
    fast = copy.deepcopy(layer)
    fast.__class__ = PackedLinear
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        expected, found = layer(values), fast(values)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), expected.float(), atol=0.02, rtol=0.01)


def test_it_is_left_out_where_it_is_slower_or_cannot_be(monkeypatch):
    model, threads = classifier(), torch.get_num_threads()
    monkeypatch.setattr(packed_linear, "MIN_FP32_THREADS", threads + 1)
    assert not pack_linear_layers(model, torch.float32)
    monkeypatch.setattr(packed_linear, "MIN_FP32_THREADS", 1)
    monkeypatch.setattr(packed_linear.platform, "machine", lambda: "arm64")
    assert not pack_linear_layers(model, torch.float32)
    monkeypatch.setattr(packed_linear.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(packed_linear, "_product", lambda values, weight, bias: values[:, :48] * 0)
    assert not pack_linear_layers(model, torch.float32)
    assert not any(isinstance(module, PackedLinear) for module in model.modules())


@needs_onednn
def test_a_model_that_goes_on_training_is_packed_for_a_while(many_threads):
    model = classifier().eval()
    with torch.no_grad():
        expected = model(**batch()).logits
        for change in (1.0, 2.0):
            model.classifier.weight.mul_(change)
            model.classifier.bias.mul_(change)
            with pytest.raises(KeyError), packed_linear_layers(model, torch.float32):
                packed = [module for module in model.modules() if isinstance(module, PackedLinear)]
                torch.testing.assert_close(model(**batch()).logits, expected * change, atol=1e-5, rtol=1e-5)
                raise KeyError
            assert len(packed) == 3 * 6 + 2
            assert all(type(layer) is torch.nn.Linear and not hasattr(layer, "packed") for layer in packed)
