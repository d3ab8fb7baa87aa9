"""The report as its reader meets it: opened from disk in a browser, by pointer, by keyboard and on a phone."""

import itertools

import pandas as pd
import pytest
from needs import find_browser, require
from playwright.sync_api import sync_playwright
from synthetic_report import FIGURES, write_preset

from selectimprove.measurement.scores import write_scores
from selectimprove.presentation.report import render_report
from selectimprove.tasks.data import read_rows
from selectimprove.tasks.texts import TEXT_FORMS

FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]


LISTS = {
    "run": "Run",
    "checkpoint": "Checkpoint",
    "kind": "Kind",
    "steps": "Steps",
    "strategy": "Strategy",
    "answer": "Answer",
    "failure": "First failure",
    "before": "Answer before RL",
}
READ_CARDS = """cards => cards.map(card => ({
  heading: card.querySelector("h3").firstChild.data,
  problem: card.querySelector(".tag").textContent.match(/problem (.*), seed/)[1],
  prompt: card.querySelector(".prompt").textContent.trim(),
  sides: [...card.querySelectorAll(".side")].map(side => ({
    heading: side.querySelector("h4").textContent,
    words: side.querySelector(".words").textContent,
    pieces: [...side.querySelectorAll("li")].map(piece => [piece.className, piece.querySelector("code").textContent]),
  })),
}))"""


def make_report(preset):
    """Render the report of a preset beside its score table, and return it."""
    report = preset["scores"].parent / "report.html"
    render_report(**preset, output=report)
    return report


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    return write_preset(tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def report(preset):
    return make_report(preset)


@pytest.fixture(scope="module")
def launch(tmp_path_factory):
    """Return a function that starts a browser."""
    require("chromium")
    with sync_playwright() as playwright:

        def launch(**options):
            profile = tmp_path_factory.mktemp("profile")
            return playwright.chromium.launch_persistent_context(
                profile, executable_path=find_browser(), args=FLAGS, **options
            )

        yield launch


@pytest.fixture(scope="module")
def browser(launch):
    with launch() as context:
        yield context


@pytest.fixture
def open_page(browser):
    """Return a function that opens a report; a console message, an error or another request fails the test."""
    opened, problems, expected = [], [], []

    def open_page(file):
        page = browser.new_page()
        page.set_default_timeout(20_000)
        page.on("console", lambda message: problems.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: problems.append(f"error: {error}"))
        page.on("request", lambda request: request.url.startswith("data:") or problems.append(request.url))
        page.goto(file.as_uri())
        opened.append(page)
        expected.append(file.as_uri())
        return page

    yield open_page
    assert problems == expected
    for page in opened:
        page.close()


@pytest.fixture
def page(open_page, report):
    return open_page(report)


def read_table(report):
    """Return the completions that the report shows, from the score table, with a column for each list."""
    scores = pd.read_parquet(report.parent / "scores.parquet")
    scores["checkpoint"] = scores["checkpoint_step"]
    scores = scores[scores["checkpoint"] != 50].copy()  # those of an RL run are 25, 50 and 75
    scores["answer"] = scores["correct"].map({True: "right", False: "wrong"})
    scores["failure"] = scores["failure"].fillna("none")
    starts = scores[scores["checkpoint"] == 0].set_index(["run", "problem_id"])["answer"]
    keys = pd.MultiIndex.from_frame(scores[["sft_run", "problem_id"]])
    scores["before"] = starts.reindex(keys).to_numpy()
    scores["before"] = scores["before"].mask(scores["checkpoint"] == 0, "")
    return scores


@pytest.fixture(scope="module")
def table(report):
    return read_table(report)


def select_rows(table, choices):
    """Return the rows that the choices find: values by the names of lists."""
    for name, value in choices.items():
        table = table[table[name].astype(str) == str(value)]
    return table


def find_list(page, name):
    return page.locator("#filters").get_by_label(LISTS[name], exact=True)


def choose(page, choices):
    for name, value in choices.items():
        find_list(page, name).select_option(str(value))


def show_all(page):
    """Show all completions that are found, and return what each card says."""
    while page.get_by_role("button", name="Show more").is_visible():
        page.get_by_role("button", name="Show more").click()
    return page.locator(".completion").evaluate_all(READ_CARDS)


def name_step(step):
    return f"{step} RL steps" if step else "SFT"


def say_count(rows):
    right, found = int(rows["correct"].sum()), len(rows)
    return f"{found} completion{'' if found == 1 else 's'} found, {right} right; {min(found, 10)} shown."


def test_images_show(page):
    sizes = page.locator("main img").evaluate_all("images => images.map(image => image.naturalWidth)")
    assert len(sizes) == len(FIGURES)
    assert min(sizes) > 500


CHOICES = [
    {},
    {"run": "FB_rl_6_9", "checkpoint": 75},
    {"kind": "inversion", "steps": 9, "answer": "wrong"},
    {"run": "B_rl_2_5", "before": "wrong", "answer": "right"},
    {"strategy": "mixed", "failure": "wrong_opening"},
    {"run": "F", "checkpoint": 75},
]


@pytest.mark.parametrize("choices", CHOICES, ids=str)
def test_counts_behind_choices_are_those_of_the_table(page, table, choices):
    choose(page, choices)
    assert page.get_by_role("status").inner_text() == say_count(select_rows(table, choices))
    assert page.locator("#filters select").evaluate_all("all => all.map(one => one.name)") == list(LISTS)
    for name in LISTS:
        rows = select_rows(table, {other: value for other, value in choices.items() if other != name})
        options = find_list(page, name).locator("option")
        values = options.evaluate_all("all => all.map(one => one.value)")
        assert set(values) == {"", *map(str, table[name])}
        shown = [text.rpartition(" ")[2] for text in options.all_inner_texts()]
        counts = [len(select_rows(rows, {name: value})) for value in values[1:]]
        assert shown == ["any", *(f"({count})" for count in counts)]


@pytest.mark.parametrize("choices", CHOICES[1:], ids=str)
def test_filters_change_what_is_shown(page, table, choices):
    choose(page, choices)
    cards = show_all(page)
    rows = select_rows(table, choices)
    expected = [
        (f"{row.run} after {name_step(row.checkpoint)}: {row.kind}, {row.steps} steps", row.problem_id)
        for row in rows.itertuples()
    ]
    assert sorted((card["heading"], card["problem"]) for card in cards) == sorted(expected)


def test_every_choice_can_be_cleared(page, table):
    choose(page, CHOICES[2])
    page.get_by_role("button", name="Clear filters").click()
    assert page.get_by_role("status").inner_text() == say_count(table)
    assert [find_list(page, name).input_value() for name in LISTS] == [""] * len(LISTS)


def check_side(side, row, text):
    """Check what stands on one side of a card against its row of the score table."""
    pieces = [piece for _, piece in side["pieces"] if piece != "(nothing)"]
    assert text.join_parts(pieces) == row.completion
    states = [state for state, _ in side["pieces"]]
    if row.failure == "none":
        assert set(states) == {"right"}
    else:
        wrong = int(row.first_wrong_step)
        assert states == ["right"] * wrong + ["wrong"] + ["after"] * (len(states) - wrong - 1)
    verdict = "Right" if row.failure == "none" else "The answer is right, but" if row.correct else "Wrong: it"
    assert side["words"].startswith(verdict)
    assert side["words"].endswith(f"\nStrategy: {row.strategy}.")


@pytest.fixture(scope="module", params=["symbolic", "sentences"])
def reported(request, report, tmp_path_factory):
    """Return a report, its table, prompts and text form."""
    in_sentences = request.param == "sentences"
    file = make_report(write_preset(tmp_path_factory.mktemp("sentences"), "sentences")) if in_sentences else report
    prompts = {row["id"]: row["prompt"] for row in read_rows(file.parent / "data" / "test.jsonl")}
    return file, read_table(file), prompts, TEXT_FORMS[request.param]


def test_completion_stands_beside_its_prompt_and_that_before_rl(open_page, reported):
    file, table, prompts, text = reported
    page = open_page(file)
    choices = {"run": "FB_rl_6_9", "checkpoint": 75}
    choose(page, choices)
    rows = select_rows(table, choices).set_index("problem_id")
    starts = select_rows(table, {"run": "FB"}).set_index("problem_id")
    cards = show_all(page)
    assert len(cards) == len(rows) == 64
    transitions = set()
    for card in cards:
        row, start = rows.loc[card["problem"]], starts.loc[card["problem"]]
        assert card["prompt"] == prompts[card["problem"]]
        before, after = card["sides"]
        assert (before["heading"], after["heading"]) == ("Before RL", "After 75 RL steps")
        check_side(before, start, text)
        check_side(after, row, text)
        transitions.add((start.correct, row.correct))
    assert {(False, True), (True, False), (True, True)} <= transitions


def test_completion_of_an_sft_model_stands_beside_its_prompt_alone(page, table):
    choose(page, {"run": "F"})
    rows = select_rows(table, {"run": "F"}).set_index("problem_id")
    for card in show_all(page):
        (side,) = card["sides"]
        assert side["heading"] == "After SFT"
        check_side(side, rows.loc[card["problem"]], TEXT_FORMS["symbolic"])


def test_start_that_was_not_sampled_is_said_to_be_missing(open_page, tmp_path, preset):
    scores = pd.read_parquet(preset["scores"])
    write_scores(scores[scores["run"] != "B"], tmp_path / "scores.parquet", {})
    page = open_page(make_report({**preset, "scores": tmp_path / "scores.parquet"}))
    choose(page, {"run": "B_rl_6_9"})
    missing = page.get_by_text("What the model wrote before RL is not among these completions.")
    assert missing.count() == 10
    choose(page, {"run": "F_rl_6_9"})
    assert missing.count() == 0


def test_where_all_scores_were_restored_the_rest_of_the_page_works(open_page, tmp_path, preset):
    scores = pd.read_parquet(preset["scores"]).assign(completion=None)
    write_scores(scores, tmp_path / "scores.parquet", {})
    page = open_page(make_report({**preset, "scores": tmp_path / "scores.parquet"}))
    assert page.locator("#explorer").is_hidden()
    page.locator("#drawn-figure3 .enlarge").press("Enter")
    assert page.get_by_role("dialog").is_visible()


def test_wrong_piece_is_marked_by_more_than_color(page):
    choose(page, {"answer": "wrong"})
    wrong = page.locator(".trace .wrong").first
    assert "should be" in wrong.inner_text()
    assert wrong.evaluate("one => getComputedStyle(one).borderTopWidth") == "2px"
    assert "underline" in wrong.locator("code").first.evaluate("one => getComputedStyle(one).textDecorationLine")
    after = page.locator(".trace .after code").first
    assert after.evaluate("one => getComputedStyle(one).fontStyle") == "italic"


def test_explorer_works_by_keyboard_alone(page, table):
    focused = "document.activeElement.name || document.activeElement.textContent"
    find_list(page, "run").focus()
    choices = {}
    for name in list(LISTS)[:5]:
        assert page.evaluate(focused) == name
        outline = find_list(page, name).evaluate("one => getComputedStyle(one).outline")
        assert "solid 3px" in outline
        page.keyboard.press("ArrowDown")
        choices[name] = find_list(page, name).input_value()
        assert choices[name] != ""
        assert page.get_by_role("status").inner_text() == say_count(select_rows(table, choices))
        page.keyboard.press("Tab")
    for name in (*list(LISTS)[5:], "Clear filters"):
        assert page.evaluate(focused) == name
        if name in LISTS:
            page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.get_by_role("status").inner_text() == say_count(table)
    page.keyboard.press("Tab")
    assert page.evaluate(focused) == "Show more"
    page.keyboard.press("Space")
    assert page.locator(".completion").count() == 20
    assert page.evaluate(focused) == "Show more"


def test_prompt_and_completions_stand_side_by_side_where_there_is_room(page):
    choose(page, {"run": "FB_rl_6_9"})
    sides = page.locator(".completion").first.locator(".sides > div")
    for width, beside in ((1200, True), (400, False)):
        page.set_viewport_size({"width": width, "height": 800})
        boxes = [side.bounding_box() for side in sides.all()]
        assert len(boxes) == 3
        for one, other in itertools.pairwise(boxes):
            assert (one["y"] == other["y"] and one["x"] + one["width"] <= other["x"]) == beside
            assert (one["x"] == other["x"] and one["y"] + one["height"] <= other["y"]) != beside


def test_completion_with_markup_is_shown_as_text(page):
    choose(page, {"strategy": "none", "answer": "wrong"})
    wild = page.locator(".trace .wrong", has_text="</script><script>alert(1)</script>")
    assert wild.count() > 0
    assert page.locator(".trace script, .trace b").count() == 0


def test_rest_of_the_page_does_without_scripts(launch, report):
    with launch(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(report.as_uri())
        assert page.get_by_text("The completions need JavaScript").is_visible()
        assert page.locator("#filters").is_hidden()
        assert page.locator("#more").is_hidden()
        assert page.locator("main img").first.is_visible()
        assert page.locator(".claims tbody tr").count() == 3


def test_figure_is_enlarged_and_closed_by_keyboard(page):
    dialog = page.get_by_role("dialog")
    button = page.locator("#drawn-figure3 .enlarge")
    button.focus()
    page.keyboard.press("Enter")
    assert dialog.is_visible()
    assert dialog.get_by_role("heading").inner_text().strip() == "Figure 3"
    assert dialog.locator("img").get_attribute("src") == button.locator("img").get_attribute("src")
    page.keyboard.press("Escape")
    assert dialog.is_hidden()
    assert button.evaluate("button => button === document.activeElement")
    page.keyboard.press("Enter")
    dialog.get_by_role("button", name="Close").press("Enter")
    assert dialog.is_hidden()


def test_claim_leads_to_its_figure_by_keyboard(page):
    page.locator(".claims a").first.focus()
    page.keyboard.press("Enter")
    assert page.url.endswith("#drawn-figure3")


@pytest.mark.parametrize(("scheme", "width"), [("light", 360), ("dark", 400)])
def test_phone_scrolls_in_one_direction(page, scheme, width):
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 740})
    page.evaluate("document.querySelectorAll('details').forEach(details => details.open = true)")
    for answer in ("right", "wrong"):
        choose(page, {"run": "FB_rl_6_9", "checkpoint": 75, "answer": answer})
        assert show_all(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    boxes = page.locator(".scroll").evaluate_all(
        "all => all.map(box => [box.clientWidth < box.scrollWidth, box.tabIndex])"
    )
    assert [True, 0] in boxes  # a wide table scrolls in its own box, by keyboard too
    assert [True, -1] not in boxes


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(page, scheme):
    """Contrast of at least 4.5 to 1 (WCAG 2, level AA), of each element that has text of its own."""
    page.emulate_media(color_scheme=scheme)
    contrasts = page.evaluate(
        """() => {
          const read = (color) => color.match(/[\\d.]+/g).map(Number);
          const light = (color) => read(color).slice(0, 3)
            .map((part) => part / 255).map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
            .reduce((sum, part, place) => sum + part * [0.2126, 0.7152, 0.0722][place], 0);
          const ground = (element) => {
            const color = element ? getComputedStyle(element).backgroundColor : "rgb(255, 255, 255)";
            return color === "rgba(0, 0, 0, 0)" ? ground(element.parentElement) : color;
          };
          return [...document.querySelectorAll("body *")]
            .filter((element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim()))
            .filter((element) => element.checkVisibility())
            .map((element) => [light(getComputedStyle(element).color), light(ground(element)), element.outerHTML])
            .map(([one, other, html]) =>
              [(Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05), html.slice(0, 80)]);
        }"""
    )
    assert len(contrasts) > 200
    assert [element for element in contrasts if element[0] < 4.5] == []


def test_page_makes_sense_without_seeing_it(page):
    assert page.locator("html").get_attribute("lang") == "en"
    for landmark in ("banner", "navigation", "main"):
        assert page.get_by_role(landmark).count() == 1
    levels = page.locator("h1, h2, h3, h4").evaluate_all(
        "all => all.filter(one => one.checkVisibility()).map(one => Number(one.tagName[1]))"
    )
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(deeper - level <= 1 for level, deeper in zip(levels, levels[1:], strict=False))
    assert all(image.get_attribute("alt") for image in page.locator("main img").all())
    assert page.locator("th:not([scope])").count() == 0
    assert page.locator("tr").count() == page.locator("tr:has(th)").count()
    unnamed = page.locator("main select, main button, main a, [role=group]").evaluate_all(
        """all => all.filter(one => !one.labels?.length && !one.textContent.trim() && !one.querySelector("img[alt]")
          && !one.getAttribute("aria-label"))"""
    )
    assert unnamed == []
    assert page.get_by_role("status").get_attribute("aria-live") == "polite"
    ids = page.locator("[id]").evaluate_all("all => all.map(one => one.id)")
    assert len(ids) == len(set(ids))
    targets = page.locator("a[href^='#']").evaluate_all("all => all.map(one => one.hash.slice(1))")
    assert set(targets) <= set(ids)
