"""Whatever is declared for a figure or table is drawn, all of it and under labels that tell it apart, or refused.

Each module, with the entry that a shipped configuration has for it, is given each awkward change. What is refused, when
the configuration is loaded, is told in one sentence; what is not must be drawn from scores that fit the declaration.
"""

import copy
import hashlib
import importlib
import warnings

import numpy as np
import pytest
import yaml
from configurations import CONFIG, PRESETS, SCHEMA, UNDRAWN
from declared_scores import make_declared_scores
from matplotlib.collections import Collection
from matplotlib.image import AxesImage
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.text import Text

from selectimprove.experiment.config import expand_sections, load_experiment, merge_defaults
from selectimprove.experiment.drawings import read_needs
from selectimprove.experiment.experiment import ConfigError, find_module
from selectimprove.measurement import analysis, decomposition


def read_entries(preset: str) -> dict:
    """Return the sections of a preset with the entries that it adds to config.yaml."""
    sections = yaml.safe_load((PRESETS / f"{preset}.yaml").read_text()).items()
    return {
        section: {name: own for name, own in entries.items() if name not in CONFIG[section]}
        for section, entries in sections
        if isinstance(entries, dict)
    }


FULL = merge_defaults(CONFIG, yaml.safe_load((PRESETS / "full.yaml").read_text()))
for preset in ("scale", "breakdown"):
    FULL = merge_defaults(FULL, read_entries(preset))
FULL = expand_sections(FULL)
SHIPPED = load_experiment(FULL, SCHEMA)
SMALL = {
    "datasets": {"defaults": {"sizes": {"train": 64, "validation": 8, "test": 48}}},
    "rl": {"defaults": {"updates": 4, "checkpoint_every": 4}},
    "suites": {name: {"problems": None} for name, own in FULL["suites"].items() if own.get("problems")}
    | {"pass_6_9": {"problems": None, "completions_per_problem": 4}},
}
FILES = [
    (section, file)
    for section in ("figures", "tables")
    for file in sorted(find_module(section, "*").parent.glob("[!_]*.py"))
]
LONG = "_".join(["run_of_a_name_that_is_as_long_as_names_may_be"] * 3)[:97]


def declare(section: str, module: str) -> tuple[dict, dict]:
    """Return the configuration with one entry, of that module, and the entry: its runs without patterns."""
    shipped = SHIPPED
    values = next(values for values in getattr(shipped, section).values() if values["module"] == module)
    config = copy.deepcopy(merge_defaults(FULL, SMALL) | UNDRAWN)
    entry = {"module": module, "runs": list(values["runs"]), "suites": list(values["suites"])}
    config[section] = {"drawn": entry}
    return config, entry


def copy_run(config: dict, run: str, name: str, **changes) -> str:
    """Declare another run like `run`."""
    stage = "rl" if run in config["rl"] else "sft"
    config[stage][name] = {**copy.deepcopy(config[stage][run]), **changes}
    return name


def copy_suite(config: dict, suite: str, name: str, **changes) -> str:
    config["suites"][name] = {**config["suites"][suite], **changes}
    return name


def add_many_runs(config, entry):
    entry["runs"] += [copy_run(config, entry["runs"][0], f"many_{index}") for index in range(22)]


def add_twin(config, entry):
    entry["runs"].append(copy_run(config, entry["runs"][0], "twin"))


def add_near_twin(config, entry):
    """A run whose settings differ in the ninth digit, so that it takes nearly the same place on any axis."""
    first = entry["runs"][0]
    rl = config["rl"].get(first)
    stage = config["rl" if rl else "sft"]
    near = {"learning_rate": {**stage["defaults"], **stage[first]}["learning_rate"] * (1 + 1e-9)}
    if rl:
        near["dataset"] = f"{rl['dataset']}_near"
        shown = config["datasets"][rl["dataset"]]
        if "filter" in shown:
            lowest, highest = shown["filter"]["pass_rate"]
            other = {"filter": {**shown["filter"], "pass_rate": [lowest, highest * (1 + 1e-9)]}}
        else:
            other = {"kinds": {"evaluation": 0.5 + 1e-9, "inversion": 0.5 - 1e-9}}
        config["datasets"][near["dataset"]] = {**shown, **other}
        root = rl["start"]
        taught = config["datasets"][config["sft"][root]["dataset"]]
        if isinstance(taught["strategies"], dict):
            forward = min(abs(taught["strategies"]["forward"] - 1e-9), 1)
            shares = {"forward": forward, "backward": 1 - forward}
            config["datasets"]["sft_near"] = {**taught, "strategies": shares}
            near["start"] = copy_run(config, root, "near_start", dataset="sft_near")
    entry["runs"].append(copy_run(config, first, "near_twin", **near))


def drop_last_run(config, entry):
    entry["runs"].pop()


def keep_sft_runs(config, entry):
    """Nothing but SFT runs: those that the runs start from."""
    for index, run in enumerate(entry["runs"]):
        while run in config["rl"]:
            run = config["rl"][run]["start"]
        entry["runs"][index] = run
    entry["runs"] = list(dict.fromkeys(entry["runs"]))


def add_sft_run(config, entry):
    entry["runs"].append(copy_run(config, "F", "lonely"))


def add_rl_run(config, entry):
    """An RL run of its own from each SFT run that is declared."""
    for run in [run for run in entry["runs"] if run in config["sft"]]:
        entry["runs"].append(copy_run(config, "F_rl_6_9", f"{run}_trained", start=run))


def name_a_run_as_a_model(config, entry):
    """An RL run that bears the name of a model that it is none of."""
    first = entry["runs"][0]
    config["sft"] = {f"{name}_start" if name != "defaults" else name: run for name, run in config["sft"].items()}
    for run in config["rl"].values():
        if run.get("start") in FULL["sft"]:
            run["start"] = f"{run['start']}_start"
    for dataset in config["datasets"].values():
        if "filter" in dataset:
            dataset["filter"]["run"] = f"{dataset['filter']['run']}_start"
    if first in config["rl"]:
        entry["runs"][0] = copy_run(config, first, "F" if first != "F_rl_6_9" else "B")
    else:
        entry["runs"] = [f"{run}_start" for run in entry["runs"]]


def teach_what_suits(config, entry):
    """The model at the root of the first run is taught the strategy that suits each kind."""
    root = entry["runs"][0]
    while root in config["rl"]:
        root = config["rl"][root]["start"]
    config["datasets"]["sft_suited"] = {**config["datasets"][config["sft"][root]["dataset"]], "strategies": "suited"}
    config["sft"][root] = {**config["sft"][root], "dataset": "sft_suited"}


def ask_one_kind(config, entry):
    for suite in entry["suites"]:
        config["datasets"][config["suites"][suite]["dataset"]]["kinds"] = {"evaluation": 1, "inversion": 0}


def ask_compositions(config, entry):
    """Single problems, and such of two parts, in every suite of the entry."""
    for suite in entry["suites"]:
        dataset = config["suites"][suite]["dataset"]
        config["datasets"][dataset] |= {"parts": "1-2", "steps": "2-3"}


def ask_few_problems(config, entry):
    for suite in entry["suites"]:
        config["suites"][suite]["problems"] = 1


def ask_few_in_forced_suites(config, entry):
    for suite in entry["suites"]:
        if suite.startswith("forced"):
            config["suites"][suite]["problems"] = 7


def ask_many_lengths(config, entry):
    """All that the text form has labels for, in the first suite and those of the same problems; the others are left."""
    asked = config["suites"][entry["suites"][0]]["dataset"]
    config["datasets"]["long"] = {
        "task": config["datasets"][asked].get("task", "gf11"),
        "steps": "1-24",
        "sizes": {"validation": 24},
    }
    others = [suite for suite in entry["suites"] if config["suites"][suite]["dataset"] != asked]
    for suite in set(entry["suites"]) - set(others):
        config["suites"][suite]["dataset"] = "long"
    entry["suites"] = [suite for suite in entry["suites"] if suite not in others]
    for section in ("rl", "suites"):
        for values in config[section].values():
            values["max_completion_tokens"] = 200


def sample_once(config, entry):
    for suite in entry["suites"]:
        config["suites"][suite]["completions_per_problem"] = 1


def add_suite_of_the_same_problems(config, entry):
    entry["suites"].append(copy_suite(config, entry["suites"][0], "greedy", temperature=0))


def add_other_suite(config, entry):
    entry["suites"] += [suite for suite in ("steps_2_5",) if suite not in entry["suites"]]


def add_forced_suite(config, entry):
    entry["suites"].append(copy_suite(config, entry["suites"][0], "forced", forced_strategies=["forward"]))


def force_all(config, entry):
    for suite in entry["suites"]:
        config["suites"][suite]["forced_strategies"] = ["forward", "backward"]


def force_last_checkpoint(config, entry):
    for suite in entry["suites"]:
        if suite.startswith("forced"):
            config["suites"][suite]["checkpoints"] = "last"


def add_suite_of_another_task(config, entry):
    entry["suites"].append("gf13_steps_6_9" if "gf13_steps_6_9" not in entry["suites"] else "steps_6_9")


def add_run_of_another_task(config, entry):
    """And a suite of that task, of problems that the others may not have."""
    task = "stated" if "gf13_steps_6_9" in entry["suites"] else "gf13"
    entry["suites"] = list(dict.fromkeys([*entry["suites"], f"{task}_steps_6_9"]))
    entry["runs"].append(f"{task}_FB_rl_6_9" if entry["runs"][0] in config["rl"] else f"{task}_FB")


def lengthen_names(config, entry):
    """As many runs as can be shown, or as there are, of the longest names; one has the widest letters and no break."""
    section = "figures" if config["figures"] else "tables"
    needs = read_needs(find_module(section, entry["module"]))
    runs = entry["runs"]
    if not needs.axes:
        runs = runs * needs.most.get("run", 1)
        runs = runs[: needs.most.get("run")]
    names = ["W" * 97, *[LONG] * len(runs)]
    places = enumerate(zip(runs, names, strict=False))
    entry["runs"] = [copy_run(config, run, f"{name}{place:03}") for place, (run, name) in places]


def train_at_length(config, entry):
    """A curriculum of many stages before the first run, and many RL steps."""
    first = entry["runs"][0]
    if first in config["rl"]:
        for stage in range(12):
            start = copy_run(config, first, f"stage_{stage}")
            config["rl"][first] = {**config["rl"][first], "start": start}
        for values in config["rl"].values():
            values |= {"updates": 500_000, "checkpoint_every": 500_000}


ALL = {file.stem if section == "figures" else f"table_{file.stem}" for section, file in FILES}
OVER_TIME = {"figure2", "figure3", "figure4", "failures", "forced_skill", "decomposition"}
BY_RUN = OVER_TIME | {"pass_at_k", "coverage", "decomposition_summary", "table_decomposition"}
BY_SETTING = {"rl_heatmap", "table_rl_ablation", "table_sft_ablation"}
FORCED = {"forced_skill", "decomposition", "decomposition_summary", "table_decomposition"} | {
    *("curation", "scale", "breakdown"),
}

# Each awkward change, and the modules that draw what it makes of their declarations; the others refuse it.
DRAWN = {
    lengthen_names: ALL,
    train_at_length: ALL,
    add_twin: set(),
    add_near_twin: set(),
    add_many_runs: {"table_decomposition"},
    drop_last_run: ALL - {"breakdown", "rl_heatmap", "scale", "text_variants", "table_rl_ablation"},
    keep_sft_runs: {"difficulty", "diversity", "table_accuracy", "table_sft_ablation", "table_table1"},
    add_sft_run: set(),
    add_rl_run: ALL - {"table_sft_ablation"},
    name_a_run_as_a_model: {"table_sft_ablation"},
    teach_what_suits: ALL - {"diversity", "scale"},
    ask_one_kind: {"figure2", "composition"} | BY_SETTING,
    ask_compositions: {"figure2", "composition"} | BY_SETTING,
    ask_few_problems: {"figure2", "composition"} | BY_SETTING,
    ask_few_in_forced_suites: ALL - FORCED,
    ask_many_lengths: ALL - {"breakdown", "scale", "text_variants"},  # whose runs need suites of their own
    sample_once: ALL - {"coverage"},
    add_suite_of_the_same_problems: set(),
    add_other_suite: {"figure4", "difficulty"},
    add_forced_suite: set(),
    force_all: set(),
    force_last_checkpoint: ALL - {"forced_skill", "decomposition"},
    add_suite_of_another_task: set(),
    add_run_of_another_task: {"figure2", "figure3", "failures"},
}
CROWDING = (lengthen_names, train_at_length, ask_many_lengths)
TWINS = (add_twin, add_near_twin)  # those drawn run by run show any number of them


def list_cases() -> list:
    """Return each module with each awkward change that changes its declaration."""
    cases = []
    for section, file in FILES:
        name = file.stem if section == "figures" else f"table_{file.stem}"
        for change, drawn in DRAWN.items():
            config, entry = declare(section, file.stem)
            change(config, entry)
            if (config, entry) != declare(section, file.stem) and not (change in TWINS and name in BY_RUN):
                id = f"{name}-{change.__name__}"
                cases.append(pytest.param(section, file.stem, change, name in drawn, id=id))
    return cases


def find_drawing(section, module):
    return importlib.import_module(f"selectimprove.presentation.{section}.{module}")


def draw(section, module, scores):
    drawing = find_drawing(section, module)
    return drawing.draw(scores) if section == "figures" else drawing.compute(scores)


def describe(drawn) -> str:
    """Return a digest of all data that a figure or table shows."""
    digest = hashlib.sha256()
    if not hasattr(drawn, "findobj"):
        return digest.hexdigest() + drawn.to_csv()
    for artist in drawn.findobj():
        if isinstance(artist, Line2D):
            digest.update(np.ascontiguousarray(artist.get_xydata(), float).tobytes())
        elif isinstance(artist, Collection):
            for path in artist.get_paths():
                digest.update(np.ascontiguousarray(path.vertices, float).tobytes())
        elif isinstance(artist, Patch):
            digest.update(artist.get_path().transformed(artist.get_patch_transform()).vertices.tobytes())
        elif isinstance(artist, AxesImage):
            digest.update(np.asarray(artist.get_array(), float).tobytes())
        elif isinstance(artist, Text):
            digest.update(artist.get_text().encode())
    return digest.hexdigest()


def disturb(scores, which):
    """Return the scores with those of `which` turned round."""
    scores = scores.copy()
    rows = scores.loc[which]
    scores.loc[which, "correct"] = ~rows["correct"]
    scores.loc[which, "failure"] = rows["failure"].isna().map({True: "lost_place", False: None})
    opened = rows["strategy"].map({"forward": "backward", "backward": "forward", "mixed": "mixed"})
    scores.loc[which, "strategy"] = opened.where(rows["forced_strategy"].isna(), rows["strategy"])
    scores.loc[which, "correct_parts"] = rows["parts"] - rows["correct_parts"]
    return scores


def list_texts(figure) -> list[Text]:
    """Return the texts that are visible, once each."""
    texts = [*figure.texts, *(text for part in figure.subfigs for text in part.texts)]
    if getattr(figure, "_suptitle", None):
        texts.append(figure._suptitle)
    for legend in figure.findobj(Legend):
        texts += [legend.get_title(), *legend.get_texts()]
    for axes in figure.axes:
        texts += [axes.title, *axes.texts]
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            ticks = [tick for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
            texts += [axis.label, axis.get_offset_text(), *(tick.label1 for tick in ticks)]
    return [text for text in dict.fromkeys(texts) if text.get_visible() and text.get_text().strip()]


def check_layout(figure) -> None:
    """No text lies on another or leaves the page, and no panel is squeezed away."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure.draw_without_rendering()
    texts = list_texts(figure)
    boxes = np.array([text.get_window_extent().extents for text in texts])
    page = figure.bbox.extents
    for text, box in zip(texts, boxes, strict=True):
        assert (box[:2] >= page[:2] - 1).all() and (box[2:] <= page[2:] + 1).all(), f"off the page: {text.get_text()!r}"
    for index, text in enumerate(texts):
        others = boxes[index + 1 :]
        over = (np.minimum(others[:, 2:], boxes[index, 2:]) - np.maximum(others[:, :2], boxes[index, :2]) > 1).all(1)
        found = [texts[index + 1 + place].get_text() for place in np.flatnonzero(over)]
        assert not found, f"{text.get_text()!r} lies on {found}"
    for axes in figure.axes:
        width, height = axes.get_window_extent().size / figure.dpi
        assert axes.get_label() == "<colorbar>" or min(width, height) > 0.5, (width, height)
    assert max(figure.get_size_inches()) < 2**16 / 200  # pixels of a PNG


def check_labels(figure) -> None:
    """No two entries of a legend have one label, or one look."""
    for legend in figure.findobj(Legend):
        labels = [text.get_text() for text in legend.get_texts()]
        assert len(set(labels)) == len(labels)
    for axes in figure.axes:
        named = [line for line in axes.get_lines() if line.get_label()[0] != "_" and len(line.get_xdata())]
        looks = [(line.get_color(), line.get_marker(), line.get_linestyle()) for line in named]
        assert len(set(looks)) == len(looks), [line.get_label() for line in named]


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    for module in (analysis, decomposition):
        monkeypatch.setattr(module, "RESAMPLES", 20)


def check_drawn(section, module, experiment):
    """Return what is drawn, and the scores that it is drawn from."""
    scores = make_declared_scores(experiment, "drawn")
    drawn = draw(section, module, scores)
    if section == "figures":
        check_labels(drawn)
    else:
        rows = find_drawing(section, module).format_markdown(drawn).splitlines()
        assert len(set(rows)) == len(rows)
    return drawn, scores


def check_seen(section, module, drawn, scores, column, name):
    """What is drawn is another where the scores of that run or suite are."""
    changed = draw(section, module, disturb(scores, scores[column] == name))
    assert describe(changed) != describe(drawn), f"{column} {name} is not shown"


@pytest.mark.parametrize(
    ("section", "file"), [pytest.param(*both, id="/".join((both[0], both[1].stem))) for both in FILES]
)
def test_shipped_declaration_is_drawn(section, file):
    config, entry = declare(section, file.stem)
    assert "NEEDS" in vars(find_drawing(section, file.stem))
    drawn, scores = check_drawn(section, file.stem, load_experiment(config, SCHEMA))
    if section == "figures":
        check_layout(drawn)
    check_seen(section, file.stem, drawn, scores, "run", entry["runs"][-1])
    for suite in entry["suites"]:
        check_seen(section, file.stem, drawn, scores, "suite", suite)


@pytest.mark.parametrize(("section", "module", "change", "is_drawn"), list_cases())
def test_awkward_declaration_is_drawn_or_refused(section, module, change, is_drawn):
    config, entry = declare(section, module)
    change(config, entry)
    if is_drawn:
        drawn, scores = check_drawn(section, module, load_experiment(config, SCHEMA))
        if section == "figures" and change in CROWDING:
            check_layout(drawn)
        if change.__name__.startswith("add_"):
            check_seen(section, module, drawn, scores, "run", entry["runs"][-1])
            check_seen(section, module, drawn, scores, "suite", entry["suites"][-1])
    else:
        with pytest.raises(ConfigError, match=rf"^{section}\.drawn\.(runs|suites): ") as error:
            load_experiment(config, SCHEMA)
        assert str(error.value).splitlines() == [str(error.value)]
