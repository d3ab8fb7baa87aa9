"""Data sets that are filtered from candidates by the pass rates of a run: their keys merged, their filters checked."""

import graphlib
from typing import Any

from selectimprove.experiment.entries import check_reference, merge_defaults, merge_entries
from selectimprove.experiment.experiment import ConfigError
from selectimprove.experiment.schema import list_words
from selectimprove.experiment.specs import FilterSpec

FILTER_KEYS = ("from", "filter", "sizes")  # of a data set that is filtered; all else is as in its candidates


def merge_datasets(entries: dict[str, dict], defaults: dict[str, Any]) -> dict[str, dict]:
    """Return the data sets with all keys: one that is filtered has those of its candidates beside its own.

    Raises ConfigError on one that lacks one of FILTER_KEYS, has others, or whose candidates are none.
    """
    for key in ("from", "filter"):
        if key in defaults:
            raise ConfigError(f"datasets.defaults.{key}: found {defaults[key]!r}, must stand in the data set itself")
    plain = {name: values for name, values in entries.items() if not {"from", "filter"} & set(values)}
    merged = merge_entries(plain, defaults)
    for name in [name for name in entries if name not in plain]:
        values, place = entries[name], f"datasets.{name}"
        missing = [key for key in FILTER_KEYS if key not in values]
        if missing:
            raise ConfigError(f"{place}: the key {missing[0]!r} is missing, which a data set that is filtered has")
        source = values["from"]
        foreign = [key for key in values if key not in FILTER_KEYS]
        foreign += [f"sizes.{split}" for split in values["sizes"] if split != "train"]
        if foreign:
            raise ConfigError(
                f"{place}.{foreign[0]}: a data set that is filtered has that of its candidates, {source}; "
                f"allowed are {list_words(FILTER_KEYS[:2])}, sizes.train"
            )
        if "train" not in values["sizes"]:
            raise ConfigError(f"{place}.sizes: the key 'train' is missing")
        check_reference(f"{place}.from", source, "data set", entries)
        if source not in plain:
            raise ConfigError(f"{place}.from: {source!r} is filtered itself, so no data set of candidates")
        merged[name] = merge_defaults(merged[source], values)
        there = merged[source].get("sizes", {}).get("train")  # that it is missing is told later
        if there is not None and values["sizes"]["train"] > there:
            raise ConfigError(
                f"{place}.sizes.train: found {values['sizes']['train']}, but {source} has {there} candidates"
            )
    return merged


def check_filters(entries: dict[str, dict], sft: dict[str, dict], rl: dict[str, dict]) -> dict[str, FilterSpec]:
    """Return the filters of the data sets that have one.

    Their runs are declared and not trained on what they filter, some pass rate is in each band, and what shares the
    pass rates of a run is sampled alike: these are measured once.
    """
    filters = {
        name: FilterSpec(values["from"], **{**values["filter"], "pass_rate": tuple(values["filter"]["pass_rate"])})
        for name, values in entries.items()
        if "filter" in values
    }
    shared: dict[tuple[str, str], list[str]] = {}
    for name, own in filters.items():
        place = f"datasets.{name}"
        check_reference(f"{place}.filter.run", own.run, "run", [*sft, *rl])
        if not any(own.takes(right / own.samples) for right in range(own.samples + 1)):
            raise ConfigError(
                f"{place}.filter.pass_rate: found {list(own.pass_rate)}, must go from a lower number to a higher one "
                f"and hold a rate that {own.samples} samples can have"
            )
        shared.setdefault((own.run, own.candidates), []).append(name)
    for (run, candidates), names in shared.items():
        for name in names:
            if filters[name].samples != filters[names[0]].samples:
                raise ConfigError(
                    f"datasets.{name}.filter.samples: found {filters[name].samples}, but {names[0]} has "
                    f"{filters[names[0]].samples}, and the pass rates of {run} on {candidates} are measured once"
                )
        trained = {run: values for run, values in rl.items() if values["dataset"] in names}
        if not trained:
            raise ConfigError(
                f"datasets.{names[0]}.filter: no RL run is trained on it, so it is not known how its runs sample"
            )
        first = next(iter(trained))
        for run, values in trained.items():
            for key in ("temperature", "max_completion_tokens"):
                if values[key] != trained[first][key]:
                    raise ConfigError(
                        f"rl.{run}.{key}: found {values[key]}, but {first} has {trained[first][key]}, and the pass "
                        f"rates that filter the prompts of both are measured once"
                    )
    check_circles(filters, sft, rl)
    return filters


def check_circles(filters: dict[str, FilterSpec], sft: dict[str, dict], rl: dict[str, dict]) -> None:
    """Raise ConfigError on a data set that is filtered by a run that is trained on it, be it by way of others."""

    def list_datasets(run: str) -> list[str]:
        """Return the data sets that a run, and those that it starts from, are trained on."""
        found = []
        while run in rl:
            found.append(rl[run]["dataset"])
            run = rl[run]["start"]
        return [*found, sft[run]["dataset"]]

    used = {
        name: [dataset for dataset in list_datasets(own.run) if dataset in filters] for name, own in filters.items()
    }
    try:
        graphlib.TopologicalSorter(used).prepare()
    except graphlib.CycleError as error:
        *_, name = circle = error.args[1]
        raise ConfigError(
            f"datasets.{name}.filter.run: {filters[name].run} is trained on what it filters: {' -> '.join(circle)}"
        ) from error
