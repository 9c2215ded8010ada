import pytest
import torch
import torch.nn.functional as F

from toolkit.layers.attention import AttentionSettings, attend, group_rows
from toolkit.layers.cheap_dropout import keep_factors


@pytest.mark.parametrize("lengths", [[6, 6, 6], [9, 8, 8, 3, 3, 1]], ids=["no padding", "padding"])
def test_attention_with_dropout_has_the_gradients_of_its_definition(lengths, monkeypatch):
    """What is dropped is fixed; then autograd of the textbook formula, row by row, is the reference."""
    monkeypatch.setattr("toolkit.layers.attention.random_bits", fixed_bits)
    torch.manual_seed(0)
    heads, width, p = 2, 8, 0.25
    states = [torch.randn(sum(lengths), width, dtype=torch.float64, requires_grad=True) for _ in range(3)]
    slope = torch.randn(sum(lengths), width, dtype=torch.float64)
    groups = group_rows(lengths)
    found = attend(*states, groups, AttentionSettings(heads, p))
    (found * slope).sum().backward()
    gradients = [part.grad.clone() for part in states]
    for part in states:
        part.grad = None
    expected, start = [], 0
    for group in groups:
        factors = keep_factors(fixed_bits((group.rows, heads, group.longest, group.longest)), p)
        for row in range(group.rows):
            length = lengths[len(expected)]
            query, key, value = (part[start : start + length].view(length, heads, -1).transpose(0, 1)
                                 for part in states)  # fmt: skip
            chances = F.softmax(query @ key.transpose(1, 2) / (width // heads) ** 0.5, -1)
            chances = chances * factors[row, :, :length, :length]
            expected.append((chances @ value).transpose(0, 1).reshape(length, width))
            start += length
    expected = torch.cat(expected)
    (expected * slope).sum().backward()
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)
    for part, gradient in zip(states, gradients, strict=True):
        torch.testing.assert_close(gradient, part.grad, atol=1e-6, rtol=1e-5)


def fixed_bits(shape) -> torch.Tensor:
    return torch.randint(-(2**15), 2**15, tuple(shape), generator=torch.Generator().manual_seed(7)).to(torch.int16)


@pytest.mark.parametrize(
    ("lengths", "sizes"),
    [
        ([7] * 5, [5]),
        ([9] * 4 + [8] * 4, [4, 4]),  # enough rows of one length for a group each, and no padding
        ([10, 9, 8, 7, 7, 5], [3, 2, 1]),  # few of each: the longest one's padding goes to 0.8 of it
        ([512], [1]),
    ],
)
def test_rows_of_like_length_are_attended_to_together(lengths, sizes):
    groups = group_rows(lengths)
    assert [group.rows for group in groups] == sizes
    assert sum(group.tokens for group in groups) == sum(lengths)
    assert all((group.slots is None) == (group.tokens == group.rows * group.longest) for group in groups)
