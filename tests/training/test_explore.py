"""`explore` counts right, tells what the notebook did wrong; its page stands alone."""

import argparse
import itertools
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest

from training.__main__ import main
from training.data import cleaning
from training.data.medquad import NOTEBOOK_COLUMNS
from training.data.splits import top_foci
from training.errors import DataError
from training.exploration import notebook_replay
from training.explore import NEEDED, add_arguments, explore
from training.prepare import prepare
from training.report import plots

ROOT = Path(__file__).parents[2]
HOSTILE = "<script>alert('x')</script> $x_1$ & Co"
LINKS = "These resources address the management of gout"
COLUMNS = ["Focus", "Question", "Answer", "Source", "QuestionType", "FocusFixed", "Flags", "Split"]
ROWS = [
    ("Asthma", "What is asthma ?", "A disease of the airways.", "GARD", "information"),
    ("Asthma", "How is asthma treated ?", "With inhalers.", "GARD", "treatment"),
    ("Asthma", "What causes asthma ?", "Allergens.", "GARD", "causes"),
    ("Asthma", "Who gets asthma ?", "Many children.", "NHLBI", "susceptibility"),
    ("Asthma", "What is asthma ?", "Wheezing.", "NHLBI", "information"),
    ("Asthma", "What is asthma ?", "A disease of the airways.", "GARD", "information", "", "dup"),
    ("", "how vaccines work", "They teach.", "CDC", "information", "Vaccines"),
    (HOSTILE, "What is it ?", "", "CDC", "information", "", "empty"),
    ("Gout", "How is gout treated ?", LINKS, "GARD", "treatment", "", "linklist"),
    ("Gout", "What is gout ?", "A disease of the airways.", "GARD", "information"),
    ("Holmes", "What is holmes ?", "A pupil.", "NINDS", "information"),
]


@pytest.fixture
def made_up(tmp_path: Path) -> Path:
    """Eleven rows, the last unknown to the notebook, whose every count can be done by hand."""
    table = pd.DataFrame([row + ("",) * (8 - len(row)) for row in ROWS], columns=COLUMNS)
    table["FocusFixed"] = table["FocusFixed"].where(table["FocusFixed"] != "", table["Focus"])
    table["Keep"] = ["0" if flag in cleaning.REASONS else "1" for flag in table["Flags"]]
    table["LowerCaseSchema"] = [""] * 10 + ["1"]
    table["CUI"] = ["C1"] * 6 + ["", "", "", "C2", "C3"]
    table["SemanticType"] = table["SemanticGroup"] = "x"
    table["SeedRow"] = ["train"] * 4 + ["valid"] + [""] * 6
    table["QuestionClean"], table["AnswerClean"] = table["Question"], table["Answer"]
    data = tmp_path / "data"
    data.mkdir()
    table[NEEDED["medquad.csv"]].to_csv(data / "medquad.csv", index=False)
    table.loc[:9, NOTEBOOK_COLUMNS].to_csv(data / "seed.csv", index=False)
    return data


@pytest.fixture(scope="module")
def real(reference: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real MedQuAD's `data`, with what is found in it below `exploration`."""
    data = tmp_path_factory.mktemp("real")
    prepare(next(reference.parent.glob("MedQuAD-*.zip")), data)
    explore(data, data / "exploration")
    return data


def read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, keep_default_na=False)


def found(out: Path, name: str) -> pd.DataFrame:
    """Return a table by its first column."""
    table = read(out / "tables" / f"{name}.csv")
    return table.set_index(table.columns[0])


def test_every_count_of_the_made_up_data(made_up: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    explore(made_up, out)
    missing = found(out, "missing")
    assert missing["Missing in seed.csv"].to_dict() == {
        "Focus": 1, "CUI": 3, "SemanticType": 0, "SemanticGroup": 0, "Question": 0, "Answer": 1
    }  # fmt: skip
    assert missing.loc["Focus", "Missing in rows kept"] == 0
    assert found(out, "duplicates").to_numpy().tolist() == [[1, 2], [1, 3], [1, 3]]
    assert found(out, "repeated_questions").to_dict("index") == {
        "What is asthma ?": {"Different answers": 2, "Rows": 3}
    }
    assert found(out, "repeated_answers").to_numpy().tolist() == [[2, 2, 3]]
    assert list(found(out, "lengths").loc["Answer, as published", ["Rows", "Most"]]) == [10, 7]
    types = found(out, "question_types")
    assert list(types.loc["treatment", ["Rows", "Kept", "Dropped"]]) == [2, 1, 1]
    assert found(out, "types_by_source").loc["information", "CDC"] == 2
    assert found(out, "sources")["Rows"].to_dict() == {"GARD": 6, "CDC": 2, "NHLBI": 2, "NINDS": 1}
    assert found(out, "flags")["Dropped"].to_dict() == {
        "none": 0, "dup": 1, "empty": 1, "linklist": 1
    }  # fmt: skip


def test_the_notebooks_treatment_and_what_is_wrong_with_it(made_up: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    explore(made_up, out)
    fills = found(out, "notebook_fills")
    assert dict(fills.loc["Focus"]) == {
        "Filled in": 1,
        "With the mode": "Asthma",
        "Known wrong": "1",
    }
    assert list(fills.loc["Answer", ["With the mode", "Known wrong"]]) == [ROWS[0][2], "1"]
    assert list(fills.loc["CUI", ["Filled in", "Known wrong"]]) == [3, ""]
    steps = found(out, "notebook_steps")
    assert steps["Notebook"].tolist() == [10, 3, 1, 1, 9, 2]
    assert steps["Ours"].tolist() == [11, 0, 0, 3, 8, 0]
    foci = found(out, "top_foci").set_index("Focus")
    assert list(foci.loc["Asthma"]) == [6, 5, 0, 1]
    assert list(foci.loc["Gout"]) == [2, 1, 1, 0]
    assert list(foci.loc[HOSTILE]) == [1, 0, 1, 0]
    assert found(out, "leaks")["Our 400/100: share"].tolist() == [0, 1, 0]


@pytest.mark.parametrize("columns", [["Focus", "Question", "Answer"], ["Question"], ["Answer"]])
def test_the_expected_leak_is_the_mean_over_all_samples(made_up: Path, columns: list[str]) -> None:
    rows = notebook_replay.replay(read(made_up / "seed.csv")).rows
    foci = [rows[rows["Focus"] == focus] for focus in ("Asthma", "Gout", HOSTILE)]
    samples = [itertools.combinations(range(len(one)), min(4, len(one))) for one in foci]
    leaks = []
    for sample in itertools.product(*samples):
        trained = pd.concat([one.iloc[list(some)] for one, some in zip(foci, sample, strict=True)])
        keys = set(trained[columns].itertuples(index=False, name=None))
        leaks += [
            sum(key in keys for key in one[columns].itertuples(index=False, name=None)) / len(one)
            for one in foci
        ]
    expected = notebook_replay.expected_leak(rows, columns, ["Asthma", "Gout", HOSTILE])
    assert expected == pytest.approx(sum(leaks) / len(leaks))
    assert 0 < expected < 1


@pytest.mark.long
def test_another_process_writes_the_same_bytes(made_up: Path, tmp_path: Path) -> None:
    explore(made_up, tmp_path / "one")
    command = [sys.executable, "-m", "training", "explore", "--data", str(made_up), "--out"]
    done = subprocess.run(
        [*command, str(tmp_path / "two")],
        cwd=ROOT,
        env=os.environ | {"PYTHONHASHSEED": "3", "TZ": "Asia/Tokyo"},
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    assert done.stdout == f"{tmp_path / 'two' / 'exploration.html'}\n"
    one, two = (
        {
            path.relative_to(tmp_path / name): path.read_bytes()
            for path in (tmp_path / name).rglob("*")
            if path.is_file()
        }
        for name in ("one", "two")
    )
    assert len(one) > 30
    assert [path for path in one if one[path] != two.get(path)] == []
    assert set(two) == set(one)


class Tags(HTMLParser):
    """Collects every tag's attributes and all text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_stands_alone_and_is_not_run_by_its_data(made_up: Path, tmp_path: Path) -> None:
    html = explore(made_up, tmp_path / "out").read_text(encoding="utf-8")
    page = Tags()
    page.feed(html)
    names = [tag for tag, _ in page.tags]
    assert not {"script", "link", "iframe"} & set(names)
    assert page.text.count(HOSTILE) >= 2  # in a figure and in a table
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    references = [
        value or ""
        for _, attributes in page.tags
        for name, value in attributes.items()
        if name in ("href", "xlink:href", "src")
    ] + re.findall(r"url\(([^)]*)\)", html)
    assert references
    assert {target for target in references if target.removeprefix("#") not in ids} == set()
    assert "@import" not in html
    assert names.count("figure") == names.count("svg") == names.count("figcaption") == 10
    assert names.count("table") == len(list((tmp_path / "out" / "tables").iterdir()))
    assert not set(plots.VARIABLES) & set(re.findall(r"#[0-9a-f]{6}", html.split("</style>")[1]))
    assert "prefers-color-scheme: dark" in html


def test_figures_name_every_row_and_column(made_up: Path, tmp_path: Path) -> None:
    explore(made_up, tmp_path)
    pictures = tmp_path / "plots"
    for name, shown in {
        "top_foci": {"Asthma", "Gout", HOSTILE, "6"},
        "types_by_source": {"GARD", "CDC", "NHLBI", "NINDS", "information", "treatment"},
        "leaks": {"the question", "100.0%"},
    }.items():
        root = ElementTree.parse(pictures / f"{name}.svg").getroot()
        assert shown <= {text.text for text in root.iter("{http://www.w3.org/2000/svg}text")}
        assert (pictures / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_the_default_output_is_not_committed() -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    assert parser.parse_args([]).out.parts[0] == "data"
    assert "/data/" in (ROOT / ".gitignore").read_text().splitlines()


def test_a_missing_directory_and_table_are_named(made_up: Path, tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"nowhere/seed\.csv is missing; .* prepare --out .*nowhere"
    ):
        explore(tmp_path / "nowhere", tmp_path / "out")
    (made_up / "medquad.csv").unlink()
    with pytest.raises(DataError, match=r"data/medquad\.csv is missing"):
        explore(made_up, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("seed.csv", "Focus,CUI,Question\na,b,c\n", "lacks the columns SemanticType, Semantic"),
        ("medquad.csv", "Focus\na\n", "lacks the columns CUI, SemanticType"),
        ("seed.csv", "", "not a readable CSV"),
        ("seed.csv", ",".join(NOTEBOOK_COLUMNS) + "\n", "has no rows"),
        ("seed.csv", ",".join(NOTEBOOK_COLUMNS) + "\na,b,c,d,e,f\n", "hold different rows"),
    ],
)
def test_a_damaged_table_is_named(
    made_up: Path, tmp_path: Path, name: str, text: str, told: str
) -> None:
    (made_up / name).write_text(text)
    with pytest.raises(DataError, match=told) as caught:
        explore(made_up, tmp_path / "out")
    assert str(made_up / name) in str(caught.value)


def test_data_that_keep_nothing_are_refused(made_up: Path, tmp_path: Path) -> None:
    table = read(made_up / "medquad.csv").assign(Keep="0")
    table.to_csv(made_up / "medquad.csv", index=False)
    with pytest.raises(DataError, match="keeps no row"):
        explore(made_up, tmp_path / "out")


def test_an_unwritable_output_is_told_in_one_line(
    made_up: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").write_text("a file")
    assert main(["explore", "--data", str(made_up), "--out", str(tmp_path / "out")]) == 2
    assert "could not be written" in capsys.readouterr().err


@pytest.mark.long
def test_the_notebooks_rows_are_those_of_its_notebook(real: Path) -> None:
    steps = found(real / "exploration", "notebook_steps")
    assert list(steps.loc["rows read", ["Notebook", "Ours"]]) == [16412, 16428]
    assert list(steps.loc["rows left", ["Notebook", "Ours"]]) == [16364, 15257]
    assert steps.loc["rows under a Focus known not to be theirs", "Notebook"] == 14
    leaks = found(real / "exploration", "leaks")["Notebook's 400/100: expected share"]
    assert leaks.round(3).tolist()[:2] == [0.297, 0.578]
    repeats = found(real / "exploration", "duplicates")
    assert list(repeats.loc["the same question with different answers"]) == [875, 2283]
    assert list(repeats.loc["the same answer to different questions"]) == [53, 603]


@pytest.mark.long
def test_the_hundred_foci_are_the_frozen_ones_and_all_drawn(real: Path, reference: Path) -> None:
    shown = found(real / "exploration", "top_foci")
    frozen = pd.read_json(reference / "top100_focus.json", typ="series").tolist()
    table = pd.read_csv(real / "medquad.csv", dtype=str, keep_default_na=False)
    assert shown["Focus"].tolist() == top_foci(table)
    assert set(shown["Focus"]) == set(frozen)
    assert shown["Rows"].head(3).tolist() == [67, 43, 35]
    assert shown["Rows"].is_monotonic_decreasing
    svg = (real / "exploration" / "plots" / "top_foci.svg").read_text(encoding="utf-8")
    texts = {text.text for text in ElementTree.fromstring(svg).iter() if text.text}
    assert len(whole := {focus for focus in shown["Focus"] if len(focus) <= 44}) > 90
    assert whole <= texts
