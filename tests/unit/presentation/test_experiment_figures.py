"""The figures and tables of the experiments beside the core, from score tables with known values."""

import pandas as pd
import pytest
from synthetic_scores import make_rows

from selectimprove.presentation.figures import (
    amplification,
    composition,
    difficulty,
    diversity,
    rl_heatmap,
    text_variants,
)
from selectimprove.presentation.tables import accuracy, rl_ablation, sft_ablation
from selectimprove.tasks.specs import KINDS

PROBLEMS = 20


def make_run(run, shares, training="rl_6_9", step=50, **columns):
    """Return the rows of one checkpoint: shares[kind] of PROBLEMS problems of 6 steps are correct."""
    parts = []
    for kind, share in shares.items():
        correct = [index < round(share * PROBLEMS) for index in range(PROBLEMS)]
        parts.append(make_rows(run, step, kind, 6, correct, training=training))
    return pd.concat(parts).assign(**columns)


def make_sft(run, shares, **columns):
    return make_run(run, shares, "sft", 0, **columns)


def list_lines(axes):
    """Return the lines of a panel by legend label: (x, y)."""
    return {line.get_label(): (list(line.get_xdata()), list(line.get_ydata())) for line in axes.get_lines()}


def list_bars(axes):
    """Return the lines drawn with error bars by legend label: (x, y)."""
    return {bars.get_label(): tuple(map(list, bars.lines[0].get_data())) for bars in axes.containers}


HALF = {"evaluation": 0.5, "inversion": 0.5}


def test_amplification_weighs_routing_by_the_mixture():
    start = make_sft("FB", HALF).assign(strategy=["forward", "backward"] * PROBLEMS)
    routed = {"evaluation": "forward", "inversion": "backward"}
    runs = [make_run(f"FB_evaluation_{100 * share:.0f}", HALF, evaluation_share=share) for share in (0.25, 0.75)]
    runs = [rows.assign(strategy=rows["kind"].map(routed)) for rows in runs]
    over_training, at_end, by_kind = amplification.draw(pd.concat([start, *runs], ignore_index=True)).axes
    lines = list_lines(over_training)
    assert lines["25 %"] == ([0, 50], pytest.approx([50, 25]))
    assert lines["75 %"] == ([0, 50], pytest.approx([50, 75]))
    assert pytest.approx([25, 75]) in [list(line.get_ydata()) for line in at_end.get_lines()]
    bars = list_bars(by_kind)
    assert bars["evaluation"] == (pytest.approx([25, 75]), pytest.approx([100, 100]))
    assert bars["inversion"] == (pytest.approx([25, 75]), pytest.approx([0, 0]))
    assert list(bars) == ["evaluation", "inversion"]
    runs[1].loc[runs[1]["kind"] == "inversion", "strategy"] = ["mixed", "backward"] * (PROBLEMS // 2)
    by_kind = amplification.draw(pd.concat([start, *runs], ignore_index=True)).axes[2]
    bars = list_bars(by_kind)
    assert bars["inversion, mixed"] == (pytest.approx([25, 75]), pytest.approx([0, 50]))
    assert bars["evaluation, mixed"] == (pytest.approx([25, 75]), pytest.approx([0, 0]))
    assert [text.get_text() for text in by_kind.get_legend().get_texts()] == list(bars)


def test_composition_prefixes_fall_with_the_first_wrong_part():
    def make_parts(run, training, step, reached):
        rows = make_rows(run, step, "composition", 9, [count == 3 for count in reached], training=training)
        return rows.assign(parts=3, correct_parts=reached, taught_parts="1-2", sft_run="parts_1_2", model="suited")

    start = make_parts("parts_1_2", "sft", 0, [0, 1, 1, 3])
    trained = make_parts("parts_1_2_rl", "rl_parts_3_5", 50, [3, 3, 3, 2])
    figure = composition.draw(pd.concat([start, trained], ignore_index=True))
    over_training, prefixes = figure.axes
    assert list_lines(over_training)["3"] == ([0, 50], pytest.approx([25, 75]))
    lines = list_lines(prefixes)
    assert lines["SFT, taught 1-2"] == ([1, 2, 3], pytest.approx([75, 25, 25]))
    assert lines["RL, taught 1-2"] == ([1, 2, 3], pytest.approx([100, 100, 75]))


def test_difficulty_has_a_line_for_each_training():
    runs = [
        make_sft("FB", {"evaluation": 0.1, "inversion": 0.2}),
        make_run("FB_rl_6_9", {"evaluation": 0.3, "inversion": 0.4}),
        make_run("FB_curriculum", {"evaluation": 0.5, "inversion": 0.6}, training="rl_2_5+rl_6_15"),
    ]
    figure = difficulty.draw(pd.concat(runs, ignore_index=True))
    assert [axes.get_title() for axes in figure.axes] == ["FB, evaluation", "FB, inversion"]
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["SFT", "RL 6-9", "RL 2-5 then 6-15"]
    for axes, ends in zip(figure.axes, ((10, 30, 50), (20, 40, 60)), strict=True):
        assert sorted(bars.lines[0].get_ydata()[0] for bars in axes.containers) == pytest.approx(ends)


def test_diversity_orders_runs_by_their_share():
    runs = []
    for run, share, before, after in (("F", 1.0, 0.5, 0.55), ("B", 0.0, 0.1, 0.2), ("FB", 0.5, 0.3, 0.9)):
        runs.append(make_sft(run, dict.fromkeys(KINDS, before), forward_share=share))
        runs.append(make_run(f"{run}_rl_6_9", dict.fromkeys(KINDS, after), forward_share=share))
    for axes in diversity.draw(pd.concat(runs, ignore_index=True)).axes:
        bars = list_bars(axes)
        assert bars["SFT"] == (pytest.approx([0, 50, 100]), pytest.approx([10, 30, 50]))
        assert bars["RL 6-9"] == (pytest.approx([0, 50, 100]), pytest.approx([20, 90, 55]))


def test_text_variants_need_both_maps():
    fixed = pd.concat([make_sft("FB", HALF), make_run("FB_rl_6_9", HALF)])
    stated = fixed.assign(
        run="stated_" + fixed["run"], sft_run="stated_FB", symbol_map="stated", correct=True, suite="stated"
    )
    panels = text_variants.draw(pd.concat([fixed, stated], ignore_index=True)).axes
    for axes in panels:
        lines = list_lines(axes)
        assert lines["map fixed and hidden"] == ([0, 50], pytest.approx([50, 50]))
        assert lines["map stated in each prompt"] == ([0, 50], pytest.approx([100, 100]))
    with pytest.raises(ValueError, match="symbol_map stated"):
        text_variants.draw(fixed)


@pytest.fixture
def ablation():
    runs = [make_sft(model, HALF) for model in ("B", "F", "FB")]
    accuracies = {"B": 0.1, "F": 0.2, "FB": 0.3}
    for model, share in accuracies.items():
        for extra, (rate, group, beta) in enumerate(((1.5e-4, 8, 0.05), (1.5e-4, 16, 0.05), (7.5e-4, 8, 0.05))):
            settings = {"learning_rate": rate, "completions_per_prompt": group, "beta": beta}
            runs.append(make_run(f"{model}_{extra}", dict.fromkeys(KINDS, share + extra / 10), **settings))
    return pd.concat(runs, ignore_index=True)


def test_rl_ablation_puts_the_paper_beside_the_lower_rate(ablation):
    table = rl_ablation.compute(ablation)
    assert len(table) == 9
    cells = table.set_index(["model", "learning_rate", "completions_per_prompt"])
    assert list(cells.loc["F", "accuracy"]) == pytest.approx([0.2, 0.3, 0.4])
    assert list(cells.loc[[("FB", 1.5e-4, 8), ("B", 1.5e-4, 16)], "paper"]) == pytest.approx([0.97, 0.58])
    assert cells.loc[[("F", 7.5e-4, 8)], "paper"].isna().all()
    lines = rl_ablation.format_markdown(table).splitlines()
    assert len(lines) == 2 + 3
    assert lines[2].startswith("| 0.00015 | 8 | 0.05 | 10.0 [")
    assert lines[2].endswith(" | 97 |")
    assert lines[4].endswith(" |  |")


def test_rl_heatmap_has_a_number_a_run(ablation):
    panels = rl_heatmap.draw(ablation).axes[:3]
    assert [axes.get_title() for axes in panels] == ["B", "F", "FB"]
    for axes, first in zip(panels, (10, 20, 30), strict=True):
        assert [text.get_text() for text in axes.texts] == [str(first), str(first + 10), str(first + 20)]


@pytest.mark.parametrize("make", [rl_ablation.compute, rl_heatmap.draw])
def test_two_runs_of_one_setting_are_an_error(make, ablation):
    again = ablation[ablation["run"] == "FB_0"].assign(run="FB_again")
    with pytest.raises(ValueError, match="two runs of one model"):
        make(pd.concat([ablation, again]))


def test_sft_ablation_has_losses_and_accuracy():
    runs = [
        make_sft(f"F_{rank}", dict.fromkeys(KINDS, rank / 10), model="F", sft_learning_rate=rate, validation_loss=rank)
        for rank, rate in ((3, 1e-3), (1, 2.5e-4), (2, 5e-4))
    ]
    table = sft_ablation.compute(pd.concat(runs))
    assert list(table["sft_learning_rate"]) == [2.5e-4, 5e-4, 1e-3]
    assert list(table["validation_loss"]) == [1, 2, 3]
    assert list(table["accuracy"]) == pytest.approx([0.1, 0.2, 0.3])
    assert list(table["paper"]) == [0.0857, 0.0858, 0.0862]
    assert sft_ablation.format_markdown(table).splitlines()[2].startswith("| F | 0.00025 | 1.0000 | 0.5000 | 10.0 [")
    with pytest.raises(ValueError, match="two SFT runs of one model"):
        sft_ablation.compute(pd.concat([*runs, runs[0].assign(run="F_again")]))


def test_accuracy_has_no_paper():
    table = accuracy.compute(pd.concat([make_sft("F", HALF), make_run("F_rl_6_9", HALF)]))
    assert list(table["training"].unique()) == ["SFT", "RL 6-9"]
    assert "paper" not in table
    assert "paper" not in accuracy.format_markdown(table)
