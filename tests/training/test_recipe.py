"""What the options that are auto come to."""

from dataclasses import replace

import pytest

from toolkit.cli.options import fine_tuning_options
from toolkit.training.recipe import FEWEST_STEPS, MOST_EPOCHS, Circumstances, choose_recipe, recipe_lines

AUTO = fine_tuning_options([]).training


def recipe_of(rows: int, valid_rows: int = 100, hidden_size: int = 384, **options):
    """Return the recipe for so many rows."""
    return choose_recipe(replace(AUTO, **options), Circumstances(rows, valid_rows, hidden_size))


def test_numbers_stay_as_they_are_and_need_no_reason():
    recipe = recipe_of(200, epochs=7, learning_rate=3e-5, eval_steps=11, early_stopping=2)

    assert recipe.values() == {"epochs": 7, "learning_rate": 3e-5, "eval_steps": 11, "early_stopping": 2}
    assert recipe_lines(recipe) == []


@pytest.mark.parametrize("rows", [1, 50, 200, 1000, 3000, 5000, 100_000])
def test_few_rows_get_more_epochs_up_to_a_limit(rows):
    recipe = recipe_of(rows)
    steps = recipe.epochs * -(-rows // AUTO.batch_size)

    assert 3 <= recipe.epochs <= MOST_EPOCHS
    assert steps >= FEWEST_STEPS or recipe.epochs == MOST_EPOCHS
    assert recipe.epochs >= recipe_of(2 * rows).epochs


def test_from_five_thousand_rows_on_there_are_three_epochs():
    assert recipe_of(5000).epochs == 3
    assert recipe_of(1_000_000).epochs == 3


def test_narrow_models_learn_faster():
    rates = [recipe_of(1000, hidden_size=size).learning_rate for size in (312, 384, 768, 1024, 4096)]

    assert rates == sorted(rates, reverse=True)
    assert rates[2] == 5e-5
    assert min(rates) == 2e-5


def test_what_is_trained_of_the_model_changes_the_rate():
    assert recipe_of(1000, train="lora").learning_rate == pytest.approx(10 * recipe_of(1000).learning_rate)


def test_a_run_of_few_epochs_is_evaluated_about_ten_times():
    recipe = recipe_of(8000, valid_rows=500)
    steps = 3 * 500

    assert 9 <= steps / recipe.eval_steps <= 12
    assert recipe.early_stopping == 0


def test_a_small_set_is_evaluated_at_the_ends_of_its_epochs():
    assert recipe_of(1000, epochs=3, valid_rows=50).eval_steps == 0
    assert recipe_of(3000, epochs=3, valid_rows=50).eval_steps == 100


def test_a_large_validation_set_is_scored_less_often():
    assert recipe_of(8000, valid_rows=8000).eval_steps == 0
    assert recipe_of(8000, valid_rows=2000).eval_steps > recipe_of(8000, valid_rows=500).eval_steps


def test_a_run_of_many_epochs_stops_when_half_of_them_brought_nothing():
    recipe = recipe_of(200)

    assert (recipe.epochs, recipe.eval_steps, recipe.early_stopping) == (20, 0, 10)


def test_where_the_last_evaluation_counts_nothing_stops_early():
    circumstances = Circumstances(200, 50, 384, keeps_best=False)

    assert choose_recipe(AUTO, circumstances).early_stopping == 0


def test_two_lines_say_what_was_chosen_and_why():
    chosen, why = map(str, recipe_lines(recipe_of(640, valid_rows=160)))

    assert chosen == (
        "10 epochs at a learning rate of 0.0001, evaluated every epoch, stopped after 5 evaluations without improvement"
    )
    assert why == "chosen for 640 training rows, hidden states of 384 values, 160 validation rows"
