"""The report as its reader meets it: opened from disk in a browser, by pointer, by keyboard and on a phone."""

import pytest
from needs import find_browser, require
from playwright.sync_api import sync_playwright
from synthetic_report import FIGURES, make_report

FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    return make_report(tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    require("chromium")
    with sync_playwright() as playwright:
        profile = tmp_path_factory.mktemp("profile")
        context = playwright.chromium.launch_persistent_context(profile, executable_path=find_browser(), args=FLAGS)
        yield context
        context.close()


@pytest.fixture
def page(browser, report):
    """Open the report, and fail the test on a console message, an error or a request for anything but the file."""
    page = browser.new_page()
    page.set_default_timeout(20_000)
    problems = []
    page.on("console", lambda message: problems.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: problems.append(f"error: {error}"))
    page.on("request", lambda request: request.url.startswith("data:") or problems.append(f"request: {request.url}"))
    page.goto(report.as_uri())
    assert problems == [f"request: {report.as_uri()}"]
    problems.clear()
    yield page
    assert problems == []
    page.close()


def find_list(page, label):
    """Return the list of the explorer with this label."""
    return page.locator("#filters").get_by_label(label, exact=True)


def read_cards(page):
    """Return what each completion shown says of itself: heading, verdict and strategy."""
    return [
        tuple(card.locator(part).inner_text() for part in ("h3", ".words", ".strategy"))
        for card in page.locator(".completion").all()
    ]


def test_images_show(page):
    sizes = page.locator("main img").evaluate_all("images => images.map(image => image.naturalWidth)")
    assert len(sizes) == len(FIGURES)
    assert min(sizes) > 500


def test_filters_change_what_is_shown(page):
    count = page.get_by_role("status")
    everything = count.inner_text()
    assert everything.endswith("found, 10 shown.")
    find_list(page, "Run").select_option("FB_rl_6_9")
    find_list(page, "Checkpoint (RL step)").select_option("50")
    find_list(page, "Kind").select_option("inversion")
    find_list(page, "Steps").select_option("9")
    find_list(page, "Answer").select_option("wrong")
    assert count.inner_text() != everything
    cards = read_cards(page)
    assert cards
    for heading, verdict, strategy in cards:
        assert heading.startswith("FB_rl_6_9 at step 50: inversion, 9 steps")
        assert verdict.startswith("Wrong")
        assert strategy in ("forward", "backward", "none", "mixed")
    assert page.locator(".trace .wrong").count() == len(cards)
    assert all("should be" in piece for piece in page.locator(".trace .wrong").all_inner_texts())
    find_list(page, "Answer").select_option("right")
    assert page.locator(".trace .wrong").count() == 0
    assert {verdict for _, verdict, _ in read_cards(page)} == {"Right, and so is every step."}


def test_lists_offer_what_earlier_choices_leave(page):
    find_list(page, "Run").select_option("FB_rl_6_9")
    find_list(page, "Checkpoint (RL step)").select_option("50")
    find_list(page, "Run").select_option("FB")
    options = find_list(page, "Checkpoint (RL step)").locator("option").all_inner_texts()
    assert options == ["any", "0"]
    assert find_list(page, "Checkpoint (RL step)").input_value() == ""


def test_more_completions_are_shown_on_demand(page):
    page.get_by_role("button", name="Show more").click()
    assert page.locator(".completion").count() == 20


def test_completion_with_markup_is_shown_as_text(page):
    find_list(page, "Answer").select_option("wrong")
    while page.get_by_role("button", name="Show more").is_visible():
        page.get_by_role("button", name="Show more").click()
    wild = page.locator(".trace .wrong", has_text="</script><script>alert(1)</script>")
    assert wild.count() > 0
    assert page.locator(".trace script, .trace b").count() == 0


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


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_phone_scrolls_in_one_direction(page, scheme):
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": 360, "height": 740})
    page.evaluate("document.querySelectorAll('details').forEach(details => details.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
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
