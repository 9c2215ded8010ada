import pytest
import torch

from toolkit.layers.cheap_dropout import CheapDropout, add_dropped, keep_factors, make_dropout_cheap, random_bits


@pytest.mark.parametrize("p", [0.1, 0.5, 1e-3, 0.999])
def test_the_share_that_is_dropped_is_p_and_the_mean_stays(p):
    torch.manual_seed(0)
    factors = keep_factors(random_bits(torch.Size([2000, 1000])), p)
    kept = factors.max()
    assert set(factors.unique().tolist()) == {0.0, float(kept)}
    spread = (p * (1 - p) / 2e6) ** 0.5
    assert abs(float((factors == 0).double().mean()) - p) < 5 * spread + 2**-17
    assert float(kept) == pytest.approx(1 / (1 - p), rel=2**-16 / (1 - p))
    assert float(factors.double().mean()) == pytest.approx(1.0, abs=5 * spread / (1 - p))


def test_the_expected_value_is_exact_for_the_share_that_is_dropped():
    every = torch.arange(-(2**15), 2**15, dtype=torch.int32).to(torch.int16)
    for p in (0.1, 0.25, 0.3, 0.9):
        factors = keep_factors(every, p).double()
        assert float((factors == 0).double().mean()) == pytest.approx(p, abs=2**-17)
        assert float(factors.mean()) == pytest.approx(1.0, abs=1e-6)


def test_bits_are_even_and_independent():
    torch.manual_seed(1)
    bits = random_bits(torch.Size([4_000_000])).to(torch.int32) & 0xFFFF
    ones = torch.stack([(bits >> k) & 1 for k in range(16)]).double()
    assert (ones.mean(1) - 0.5).abs().max() < 5 * 0.5 / 2000
    pairs = torch.corrcoef(torch.cat([ones[:, :-4], ones[[0, 15], 1:-3], ones[[0, 15], 4:]]))
    assert (pairs - torch.eye(20)).abs().max() < 6 / 2000


@pytest.mark.parametrize("count", [1, 2, 3, 5, 4096])
def test_it_follows_from_the_seed_alone_and_each_draw_differs(count):
    torch.manual_seed(5)
    one, other = random_bits(torch.Size([count, 16])), random_bits(torch.Size([count, 16]))
    torch.manual_seed(5)
    assert torch.equal(one, random_bits(torch.Size([count, 16])))
    assert torch.equal(other, random_bits(torch.Size([count, 16])))
    assert not torch.equal(one, other)
    assert one.dtype == torch.int16


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_values_are_dropped_or_scaled_and_so_is_their_gradient(dtype):
    dropout, values = CheapDropout(0.25), torch.randn(300, 40, dtype=dtype).requires_grad_()
    found = dropout(values)
    found.sum().backward()
    assert found.dtype == dtype
    assert 0.2 < float((found == 0).float().mean()) < 0.3
    torch.testing.assert_close(found, values * values.grad)
    torch.testing.assert_close(values.grad[found != 0], torch.full_like(values.grad[found != 0], 4 / 3))


@pytest.mark.parametrize(("p", "training"), [(0.0, True), (0.3, False)])
def test_nothing_is_drawn_where_nothing_is_dropped(p, training):
    dropout, values = CheapDropout(p).train(training), torch.randn(5, 5)
    torch.manual_seed(0)
    before = torch.get_rng_state()
    assert dropout(values) is values or torch.equal(dropout(values), values)
    assert torch.equal(torch.get_rng_state(), before)


def test_all_can_be_dropped():
    values = torch.randn(4, 4)
    assert not CheapDropout(1.0)(values).any()
    assert torch.equal(add_dropped(values, torch.ones(4, 4), 1.0), torch.ones(4, 4))


def test_what_is_added_is_what_is_dropped():
    values, base = torch.randn(50, 8, requires_grad=True), torch.randn(50, 8, requires_grad=True)
    torch.manual_seed(2)
    found = add_dropped(values, base, 0.4)
    torch.manual_seed(2)
    torch.testing.assert_close(found, base + CheapDropout(0.4)(values))
    found.sum().backward()
    assert torch.equal(base.grad, torch.ones(50, 8))
    torch.testing.assert_close(values.grad * values, found - base, atol=1e-6, rtol=1e-5)
    assert torch.equal(add_dropped(values, base, 0.0), base + values)


def test_a_module_is_made_cheap_and_saved_as_before():
    model = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Dropout(0.2), torch.nn.Dropout1d(0.2))
    names = list(model.state_dict())
    make_dropout_cheap(model)
    assert [type(module) for module in model] == [torch.nn.Linear, CheapDropout, torch.nn.Dropout1d]
    assert list(model.state_dict()) == names
