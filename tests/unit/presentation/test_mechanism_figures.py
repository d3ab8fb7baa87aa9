"""The figures of mechanisms, from known scores."""

import pandas as pd
import pytest
from synthetic_scores import make_rows

from selectimprove.measurement import decomposition as decomposition_module
from selectimprove.presentation.figures import (
    breakdown,
    coverage,
    curation,
    decomposition,
    decomposition_summary,
    failures,
    forced_skill,
    pass_at_k,
    scale,
)
from selectimprove.presentation.figures._style import PART_COLORS
from selectimprove.presentation.tables import decomposition as decomposition_table
from selectimprove.tasks.specs import KINDS
from selectimprove.tasks.strategies import SUITED

PROBLEMS = 20


def make_cells(run, step, routing, skill, seed=0, lengths=(6, 9)):
    """Return free and forced rows of one checkpoint: routing and skill of the suited strategy, 0 for the other."""
    parts = []
    for kind, suited in SUITED.items():
        other = "backward" if suited == "forward" else "forward"
        opened = round(routing * PROBLEMS)
        for length in lengths:
            correct = [index < round(opened * skill) for index in range(PROBLEMS)]
            free = make_rows(run, step, kind, length, correct, seed)
            parts.append(free.assign(strategy=[suited] * opened + [other] * (PROBLEMS - opened)))
            for strategy, share in ((suited, skill), (other, 0.0)):
                right = [index < round(share * PROBLEMS) for index in range(PROBLEMS)]
                rows = make_rows(run, step, kind, length, right, seed)
                parts.append(rows.assign(strategy=strategy, forced_strategy=strategy, suite="forced_6_9"))
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="module")
def scores():
    """FB selects on 2-5, and selects and improves on 6-9."""
    return pd.concat(
        [
            part
            for seed in (0, 1)
            for part in (
                make_cells("FB", 0, 0.5, 0.4, seed),
                make_cells("FB_rl_2_5", 25, 1.0, 0.4, seed),
                make_cells("FB_rl_2_5", 50, 1.0, 0.4, seed),
                make_cells("FB_rl_6_9", 25, 1.0, 0.6, seed),
                make_cells("FB_rl_6_9", 50, 1.0, 0.8, seed),
            )
        ],
        ignore_index=True,
    )


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    monkeypatch.setattr(decomposition_module, "RESAMPLES", 20)


def list_lines(axes):
    return {line.get_label(): (list(line.get_xdata()), list(line.get_ydata())) for line in axes.get_lines()}


def test_forced_skill_shows_routing_above_and_skill_below(scores):
    figure = forced_skill.draw(scores)
    assert [axes.get_title() for axes in figure.axes[:2]] == ["FB_rl_2_5", "FB_rl_6_9"]
    routing = [list(line.get_ydata()) for line in figure.axes[1].get_lines()]
    assert routing == [pytest.approx([50, 100, 100]), pytest.approx([50, 0, 0])]
    skills = [list_lines(axes) for axes in figure.axes[2:]]
    assert skills[0]["evaluation"] == ([0, 25, 50], pytest.approx([40, 40, 40]))
    assert skills[1]["inversion"] == ([0, 25, 50], pytest.approx([40, 60, 80]))


def test_forced_skill_shows_mixed_completions_where_there_are_any(scores):
    """Every second backward completion of step 25 is mixed: freely in one run, forced in all."""
    mixed = scores.copy()
    backward = (scores["strategy"] == "backward") & (scores["checkpoint_step"] == 25)
    free = scores["forced_strategy"].isna()
    places = scores.index[backward & (~free | (scores["run"] == "FB_rl_6_9"))]
    mixed.loc[places[::2], "strategy"] = "mixed"
    assert not any("mixed" in text.get_text() for text in forced_skill.draw(scores).legends[0].get_texts())
    figure = forced_skill.draw(mixed)
    names = ["evaluation", "evaluation, mixed", "inversion", "inversion, mixed"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == names
    routing = [list_lines(axes) for axes in figure.axes[:2]]
    assert [list(lines) for lines in routing] == [names, names]
    assert routing[0]["inversion, mixed"] == ([0, 25, 50], pytest.approx([0, 0, 0]))
    assert routing[1]["inversion, mixed"] == ([0, 25, 50], pytest.approx([0, 50, 0]))
    assert routing[1]["inversion"] == ([0, 25, 50], pytest.approx([50, 0, 0]))
    forced = mixed[(mixed["forced_strategy"] == "backward") & (mixed["kind"] == "inversion")]
    forced = forced[(forced["run"] == "FB_rl_6_9") & (forced["checkpoint_step"] == 25)]
    skill = 100 * (forced["correct"] & (forced["strategy"] == "backward")).mean()
    assert skill < 60
    assert list_lines(figure.axes[3])["inversion"] == ([0, 25, 50], pytest.approx([40, skill, 80]))
    gains = decomposition_table.compute(mixed).set_index(["run", "kind", "steps"])
    assert gains.loc[("FB_rl_6_9", "inversion", "6-9"), "gain"] == pytest.approx(0.6)


def test_forced_skill_needs_forced_scores(scores):
    with pytest.raises(ValueError, match="no scores"):
        forced_skill.draw(scores[scores["forced_strategy"].isna()])


def test_decomposition_stacks_the_parts_to_the_gain(scores):
    figure = decomposition.draw(scores)
    same, harder = figure.axes[:2]
    assert same.get_title() == "FB_rl_2_5"
    gains = [list(axes.containers[0].lines[0].get_ydata()) for axes in (same, harder)]
    assert gains == [pytest.approx([20, 20]), pytest.approx([40, 60])]
    # Of the harder run at step 50, selection is 0.5 * (0.4 + 0.8) / 2 and improvement 0.4 * (0.5 + 1) / 2.
    top_of_selection = harder.collections[0].get_paths()[0].vertices[:, 1].max()
    assert top_of_selection == pytest.approx(30)
    assert harder.collections[2].get_paths()[0].vertices[:, 1].max() == pytest.approx(60)


def test_summary_has_a_bar_a_part_and_a_point_a_seed(scores):
    figure = decomposition_summary.draw(scores)
    panel = figure.axes[0]
    widths = {
        round(bar.get_y() + bar.get_height() / 2, 2): bar.get_width()
        for bars in panel.containers
        for bar in getattr(bars, "patches", [])
    }
    assert widths == {
        -0.18: pytest.approx(20),
        0.82: pytest.approx(30),
        0.18: pytest.approx(0, abs=1e-9),
        1.18: pytest.approx(30),
    }
    points = [line for line in panel.get_lines() if line.get_marker() == "o"]
    assert sorted(len(line.get_xdata()) for line in points) == [2, 2, 2, 2]


def test_curation_has_both_parts_and_the_gain_by_band(scores):
    bands = {"FB_rl_2_5": "all", "FB_rl_6_9": "0.1-0.5"}
    panel = curation.draw(scores.assign(pass_rate=scores["run"].map(bands))).axes[-1]
    assert [label.get_text() for label in panel.get_xticklabels()] == ["0.1-0.5", "all"]
    heights = {
        round(bar.get_x() + bar.get_width() / 2, 2): bar.get_height()
        for bars in panel.containers
        for bar in getattr(bars, "patches", [])
    }
    assert heights == {
        -0.18: pytest.approx(30),
        0.18: pytest.approx(30),
        0.82: pytest.approx(20),
        1.18: pytest.approx(0, abs=1e-9),
    }
    lines = {line.get_marker(): list(line.get_ydata()) for line in panel.get_lines() if line.get_marker() in "Do"}
    assert lines["D"] == pytest.approx([60, 20])
    assert sorted(lines["o"]) == pytest.approx([0, 0, 30, 30], abs=1e-9)  # two seeds of each band's improvement


def test_bands_are_in_the_order_of_their_rates():
    bands = ["0-0.1", "0.02-0.5", "0.1-0.5", "0.1-1", "all"]
    assert curation.sort_bands({*reversed(bands)}) == bands


def test_scale_has_both_parts_the_gain_and_where_it_began_by_size():
    """A small model that only selects, a larger one that only improves."""
    sizes = {"FB": 800_000, "FBsmall": 200_000}
    scores = pd.concat(
        [
            make_cells("FB", 0, 1.0, 0.4),
            make_cells("FB_rl_6_9", 50, 1.0, 0.8),
            make_cells("FBsmall", 0, 0.5, 0.4),
            make_cells("FBsmall_rl_6_9", 50, 1.0, 0.4),
        ],
        ignore_index=True,
    )
    figure = scale.draw(scores.assign(model="FB", layer_weights=scores["sft_run"].map(sizes)))
    assert [axes.get_title() for axes in figure.axes] == ["FB", ""]
    for axes in figure.axes:
        curves = {line.get_color(): line for line in axes.get_lines() if len(line.get_xdata()) == 2}
        assert all(list(line.get_xdata()) == [0.2, 0.8] for line in curves.values() if line.get_marker() != "None")
        heights = {color: list(line.get_ydata()) for color, line in curves.items()}
        assert heights[scale.START_COLOR] == pytest.approx([20, 40])
        assert heights["black"] == pytest.approx([20, 40])
        assert heights[PART_COLORS["selection"]] == pytest.approx([20, 0], abs=1e-9)
        assert heights[PART_COLORS["improvement"]] == pytest.approx([0, 40], abs=1e-9)


def make_breakdown(chosen: float) -> pd.DataFrame:
    """Two runs whose skills were alike, and of which one opens everything forward at the end."""
    whole = [make_cells("FB", 0, 0.5, 0.4), make_cells("FB_rl_6_9", 50, chosen, 0.8)]
    torn = [make_cells("FBtorn", 0, 0.5, 0.4), make_cells("FBtorn_rl_6_9", 50, 1.0, 0.8).assign(strategy="forward")]
    scores = pd.concat([*whole, *torn], ignore_index=True)
    is_torn = scores["sft_run"] == "FBtorn"
    forms = is_torn.map({False: "symbolic", True: "symbolic_question_first"})
    scores["correct"] &= ~(is_torn & (scores["forced_strategy"] == "backward"))  # nothing is left of its backward skill
    return scores.assign(text=forms, log_forward_share=0.95, model="FB")


def test_breakdown_has_the_choice_over_steps_in_a_map_and_against_the_gap_of_skills():
    scores = make_breakdown(chosen=0.9)
    choice = breakdown.measure_choice(scores).set_index("text")["choice"]
    assert choice.to_dict() == {"symbolic": pytest.approx(0.8), "symbolic_question_first": pytest.approx(0)}
    gaps = breakdown.measure_skill_gap(scores)
    assert gaps.to_dict() == {"FB": pytest.approx(0), "FBtorn": pytest.approx(0.4)}
    figure = breakdown.draw(scores)
    first, second, matrix, against = figure.axes
    assert [list(line.get_ydata()) for line in first.get_lines()] == [pytest.approx([50, 90]), pytest.approx([50, 10])]
    assert [list(line.get_ydata()) for line in second.get_lines()] == [pytest.approx([50, 100])] * 2
    assert [text.get_text() for text in matrix.texts] == ["80", "0"]
    points = [(line.get_xdata()[0], line.get_ydata()[0]) for line in against.get_lines()[:2]]
    assert points == [pytest.approx((0, 80)), pytest.approx((40, 0))]


def test_breakdown_without_the_skills_of_a_start_is_refused():
    scores = make_breakdown(chosen=0.9)
    without = scores[~((scores["run"] == "FBtorn") & scores["forced_strategy"].notna())]
    with pytest.raises(ValueError, match="no scores of FBtorn made to open"):
        breakdown.draw(without)


def test_scale_shows_one_size(scores):
    axes = scale.draw(scores[scores["run"].isin(["FB", "FB_rl_6_9"])]).axes[0]
    low, high = axes.get_xlim()
    assert low < 0.786432 < high < 2 * low


def test_table_holds_each_length_and_the_range(scores):
    table = decomposition_table.compute(scores).set_index(["run", "kind", "steps"])
    assert table.loc[("FB_rl_6_9", "inversion", "6-9"), "improvement"] == pytest.approx(0.3)
    assert table.loc[("FB_rl_6_9", "inversion", "6-9"), "improvement_best_seed"] == pytest.approx(0.3)
    assert table.loc[("FB_rl_2_5", "evaluation", "9"), "selection"] == pytest.approx(0.2)
    markdown = decomposition_table.format_markdown(table.reset_index())
    assert markdown.count("\n") == 2 + 4
    assert "| FB_rl_2_5 | evaluation | 6-9 | +20.0 [" in markdown


def make_samples(run, step, counts, completions=4):
    """Return rows of problems of both kinds and of 6 and 9 steps, of which counts[i] completions are correct."""
    parts = []
    for kind in KINDS:
        for length in (6, 9):
            for sample in range(completions):
                rows = make_rows(run, step, kind, length, [sample < count for count in counts])
                parts.append(rows.assign(sample=sample, suite="pass_6_9"))
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="module")
def samples():
    return pd.concat([make_samples("FB", 0, [0, 0, 1, 2]), make_samples("FB_rl_6_9", 50, [0, 4, 0, 4])])


@pytest.fixture(scope="module")
def more_samples():
    """Of eleven guesses four are luck: one problem solved by neither, one by each alone, one by both."""
    before, after = [4, 0, 5, 11], [0, 11, 4, 11]
    return pd.concat([make_samples("FB", 0, before, 11), make_samples("FB_rl_6_9", 50, after, 11)])


def test_pass_at_k_has_a_panel_for_each_kind_and_half(samples):
    figure = pass_at_k.draw(samples)
    assert [axes.get_title() for axes in figure.axes] == [
        *("evaluation, 6-6 steps", "evaluation, 9-9 steps"),
        *("inversion, 6-6 steps", "inversion, 9-9 steps"),
    ]
    lines = list_lines(figure.axes[0])
    # Two problems of four never, one with 1 of 4 right and one with 2 of 4.
    assert lines["FB, SFT"] == ([1, 2, 4], pytest.approx([100 * 3 / 16, 100 * (1 / 2 + 5 / 6) / 4, 50]))
    assert lines["FB, RL"] == ([1, 2, 4], pytest.approx([50, 50, 50]))


def test_coverage_counts_who_solves_a_problem_beyond_luck(more_samples):
    panel = coverage.draw(more_samples).axes[0]
    widths = {bars.get_label(): bars.patches[0].get_width() for bars in panel.containers}
    assert widths == {
        "solved by both": 25,
        "by RL only": 25,
        "by the SFT model only": 25,
        "by neither": 25,
    }


def test_failures_add_up_to_all_completions(scores):
    free = scores[scores["forced_strategy"].isna()].copy()
    free.loc[~free["correct"], "failure"] = "stopped_early"
    swapped = free["correct"] & (free["checkpoint_step"] == 50) & free["problem_id"].str.endswith("/0")
    free.loc[swapped, "failure"] = "lost_place"
    figure = failures.draw(free)
    panel = figure.axes[1]
    tops = {
        area.get_label(): area.get_paths()[0].vertices[:, 1].max() for area in panel.collections if area.get_label()
    }
    assert tops["right throughout"] == pytest.approx(75)
    assert tops["right answer only"] == pytest.approx(80)
    assert tops["no_answer"] == pytest.approx(100)
    with pytest.raises(ValueError, match="not known: sleepy"):
        failures.draw(free.assign(failure="sleepy"))
