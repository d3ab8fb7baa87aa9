"""README and docs: what they link to is there, and tables of results have the published numbers."""

import re
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[2]
PUBLISHED = ROOT / "results" / "published"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted(ROOT.glob("results/published/*/README.md"))]
LINK = re.compile(r"\]\((?!https?://)([^)#]*)(?:#([^)]+))?\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def list_anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as they are made from them where pages are shown."""
    titles = HEADING.findall(page.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def read_rows(head: str) -> list[list[str]]:
    """Return the cells of the one table in docs/experiments.md whose head begins so, row by row."""
    page = (ROOT / "docs" / "experiments.md").read_text("utf-8")
    [table] = re.findall(rf"^{re.escape(head)}.*\n\|[-:| ]+\n((?:\| .*\n)+)", page, re.MULTILINE)
    return [line.strip("| ").split(" | ") for line in table.splitlines()]


def write_claim(claim: pd.Series) -> str:
    """Return statistic, interval and verdict of a claim as the docs tell them."""
    return f"{100 * claim.statistic:.1f} [{100 * claim.low:.1f}, {100 * claim.high:.1f}], {claim.verdict}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for target, anchor in LINK.findall(page.read_text(encoding="utf-8")):
        linked = (page.parent / target).resolve() if target else page
        assert linked.exists(), target
        assert linked.is_relative_to(ROOT), target
        if anchor:
            assert anchor in list_anchors(linked), f"{target}#{anchor}"


def test_table_1_of_the_readme_is_the_published_one():
    """Of each kind the paper's number, the mean of three seeds with the lowest and the highest, and SmolLM2's."""
    tiny, smollm2 = (
        pd.read_csv(PUBLISHED / preset / "table1.csv").set_index(["model", "training", "kind"])
        for preset in ("tiny", "smollm2")
    )
    rows = re.findall(r"^\| (\w+), (SFT|RL [-0-9]+) \| (.+) \|$", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)
    assert len(rows) == len(tiny) / 3 == 9
    for model, training, cells in rows:
        expected = []
        for kind in ("inversion", "evaluation"):
            key = (model, training, kind)
            own = 100 * tiny.loc[key, ["paper", "accuracy", "worst_seed", "best_seed"]].astype(float)
            spread = f"{own['accuracy']:.1f} ({own['worst_seed']:.1f}-{own['best_seed']:.1f})"
            other = f"{100 * smollm2.loc[key, 'accuracy']:.1f}" if key in smollm2.index else "-"
            expected += [f"{own['paper']:.1f}", spread, other]
        assert cells.split(" | ") == expected


@pytest.mark.parametrize("name", ["table1", "claims"])
def test_tables_of_the_results_are_the_published_ones(name):
    """Row by row, but for columns that one of them leaves out."""
    page = (ROOT / "docs" / "results.md").read_text("utf-8").splitlines()
    table = [line.split(" | ") for line in (PUBLISHED / "tiny" / f"{name}.md").read_text("utf-8").splitlines()]
    shown = [line.split(" | ") for line in page if line.split(" | ")[0] in {cells[0] for cells in table[2:]}]
    assert len(shown) == len(table) - 2
    for cells, row in zip(shown, table[2:], strict=True):
        assert set(cells) <= set(row)


def test_claims_side_by_side_in_the_docs_are_the_published_ones():
    """Of each claim of the core its threshold, and statistic, interval and verdict on the field and on programs."""
    field, programs = (
        pd.read_csv(PUBLISHED / preset / "claims.csv").set_index("claim") for preset in ("tiny", "programs")
    )
    rows = read_rows("| claim | threshold ")
    assert len(rows) == len(field) == len(programs) == 13
    for name, row in zip(field.index, rows, strict=True):
        both = [field.loc[name], programs.loc[f"programs_{name}"]]
        cells = [write_claim(claim) for claim in both]
        thresholds = [f"{claim.comparison} {100 * claim.threshold:.0f}" for claim in both]
        other = "" if thresholds[0] == thresholds[1] else f" (programs: {100 * both[1].threshold:.0f})"
        assert row == [both[0].sentence.rstrip("."), thresholds[0] + other, *cells]


def test_claims_that_fail_in_the_docs_are_the_published_ones():
    """Of each its threshold, and statistic, interval and verdict; what is left out is reproduced."""
    published = pd.read_csv(PUBLISHED / "full" / "claims.csv").set_index("claim")
    rows = {row[0].strip("`"): row for row in read_rows("| claim | wanted ")}
    assert rows.keys() == set(published.index[published["verdict"] != "reproduced"])
    for name, (_, wanted, *_, everything, why) in rows.items():
        claim = published.loc[name]
        assert (wanted, everything) == (f"{claim.comparison} {100 * claim.threshold:g}", write_claim(claim))
        assert why


def test_the_ablation_of_rl_in_the_docs_is_the_published_one():
    """Of each setting our accuracy of B, F and FB, and the paper's beside it."""
    published = pd.read_csv(PUBLISHED / "full" / "rl_ablation.csv")
    rows = read_rows("| rate | group | beta ")
    settings = published.groupby(["learning_rate", "completions_per_prompt", "beta"], sort=True)
    assert len(rows) == settings.ngroups == 8
    for row, (setting, models) in zip(rows, settings, strict=True):
        assert [float(cell) for cell in row[:3]] == list(setting)
        own = models.set_index("model")
        cells = [
            cell
            for model in ("B", "F", "FB")
            for cell in (
                f"{100 * own.accuracy[model]:.1f}",
                "unstable" if pd.isna(own.paper[model]) else f"{100 * own.paper[model]:.0f}",
            )
        ]
        assert row[3:] == cells
