"""Each cleaning rule, on the smallest text that shows it."""

import pandas as pd
import pytest

from training.data.cleaning import clean, clean_answer, clean_question

COLUMNS = ["Focus", "Question", "Answer", "Source", "Collection", "File"]


def cleaned(*rows: dict[str, str]) -> pd.DataFrame:
    """Clean rows given by their fields; what is left out is a plain row's."""
    plain = {
        "Focus": "Asthma",
        "Question": "What is (are) Asthma ?",
        "Answer": "A disease of the airways.",
        "Source": "NHLBI",
        "Collection": "8_NHLBI_QA_XML",
        "File": "0000001.xml",
    }
    return clean(pd.DataFrame([plain | row for row in rows], columns=COLUMNS))


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("", "empty"),
        ("What is (are) Asthma?", "echo"),
        ("What is asthma, in short?", "echo"),
        ("Topics", "stub"),
        ("Frequently Asked Questions (FAQs)", "stub"),
        ("On this Page What is asthma? Who gets it? Asthma is a disease.", "toc"),
        ("These resources address the diagnosis or management of asthma: - A clinic", "linklist"),
        ("These resources from MedlinePlus offer information: - Drug Therapy", "linklist"),
    ],
)
def test_what_teaches_nothing_is_not_kept(answer: str, reason: str) -> None:
    row = cleaned({"Answer": answer}).iloc[0]
    assert (row["Flags"], row["Keep"]) == (reason, "0")


@pytest.mark.parametrize(
    "answer",
    [
        "Resources are scarce: these resources address it.",
        "Topics of research include genes.",
        "What is asthma? It is a disease of the airways.",
        "Asthma.",
    ],
)
def test_what_only_resembles_junk_is_kept(answer: str) -> None:
    row = cleaned({"Answer": answer}).iloc[0]
    assert (row["Flags"], row["Keep"]) == ("", "1")


def test_of_a_repeated_pair_the_first_is_kept() -> None:
    table = cleaned({}, {"Question": "Who gets Asthma ?"}, {"Focus": "Asthma in children"})
    assert table["Flags"].tolist() == ["", "", "dup"]
    assert table["Keep"].tolist() == ["1", "1", "0"]


@pytest.mark.parametrize(
    ("question", "plain"),
    [
        ("What is (are) Asthma ?", "What is Asthma?"),
        ("what is (are) asthma", "What is asthma?"),
        ("Who is at risk for Asthma? ?", "Who is at risk for Asthma?"),
        ("how vaccines prevent disease", "How vaccines prevent disease?"),
        ("Is it MRSA? or VRSA ?", "Is it MRSA? or VRSA?"),
        ("What is (are) ?", "What is VRE?"),
        ("Who is at risk for ? ?", "Who is at risk for VRE?"),
        ("How to prevent ?", "How to prevent VRE?"),
    ],
)
def test_questions_are_written_one_way(question: str, plain: str) -> None:
    assert clean_question(question, "VRE") == plain


@pytest.mark.parametrize(
    ("answer", "plain"),
    [
        (
            "Key Points - Asthma is a disease. - Dust may trigger it. Asthma is a disease. It is "
            "common. Dust may trigger it. So may cold.",
            "Asthma is a disease. It is common. Dust may trigger it. So may cold.",
        ),
        ("Key Points - Nothing comes again.", "Nothing comes again."),
        ("Summary : Asthma is a disease.", "Asthma is a disease."),
        ("It is a disease. Summary : none.", "It is a disease. Summary : none."),
        (
            "It is a disease. NIH: National Heart, Lung, and Blood Institute",
            "It is a disease.",
        ),
        ("NIH: the institutes pay. Ask them.", "NIH: the institutes pay. Ask them."),
        (
            "Use it daily. (Watch the video to learn more (in English). To enlarge, click.) Rest.",
            "Use it daily. Rest.",
        ),
        ("- Wheezing - Coughing", "Wheezing - Coughing"),
    ],
)
def test_what_the_web_page_put_around_an_answer_goes(answer: str, plain: str) -> None:
    assert clean_answer(answer, may_echo=False) == plain


@pytest.mark.parametrize(
    ("source", "left"),
    [
        ("GARD", "It is a disease."),
        ("", "It is a disease."),  # a CSV does not say
        ("NHLBI", "What is asthma (J45.9)? It is a disease."),
    ],
)
def test_gards_echo_of_the_question_goes(source: str, left: str) -> None:
    answer = "What is asthma (J45.9)? It is a disease."
    assert cleaned({"Source": source, "Answer": answer})["AnswerClean"].tolist() == [left]


def test_an_echo_is_one_sentence_at_most() -> None:
    answer = "How is it treated. Well, who knows? Rest."
    assert clean_answer(answer, may_echo=True) == answer


HPO = (
    "The Human Phenotype Ontology provides the following list of signs and symptoms for Asthma. "
    "If the information is available, the table below includes how often the symptom is seen. "
    "Signs and Symptoms Approximate number of patients (when available) Wheezing 90% "
    "Short stature 7.5% Night cough 5/12 Autosomal recessive inheritance - "
    "The Human Phenotype Ontology (HPO) has collected information on how often a sign occurs. "
    "Frequency is rare or common; a sign may be rare or common. Ask a doctor."
)


def test_a_symptom_table_becomes_a_sentence_and_is_kept() -> None:
    echo = "What are the signs and symptoms of Asthma? "
    row = cleaned({"Source": "GARD", "Answer": f"{echo}Wheezing is typical. {HPO}"}).iloc[0]
    assert row["AnswerClean"] == (
        "Wheezing is typical. Reported signs and symptoms include: Wheezing (90%), "
        "Short stature (7.5%), Night cough (5/12), Autosomal recessive inheritance. Ask a doctor."
    )
    assert (row["Flags"], row["Keep"]) == ("hpo", "1")


@pytest.mark.parametrize(
    ("file", "subject"),
    [
        ("0000199.xml", "Vaccine-preventable diseases"),
        ("0000423.xml", "VISA/VRSA (vancomycin-resistant Staphylococcus aureus)"),
        ("0000424.xml", "Vancomycin-resistant Enterococci (VRE)"),
    ],
)
def test_the_three_blank_subjects_are_filled(file: str, subject: str) -> None:
    blank = {"Focus": "", "File": file, "Question": "What is (are) ?"}
    table = cleaned(blank | {"Collection": "9_CDC_QA"}, blank)
    assert table["FocusFixed"].tolist() == [subject, ""]
    assert table["QuestionClean"][0] == f"What is {subject}?"


def test_no_focus_is_filled_from_other_rows_and_the_raw_columns_stay() -> None:
    rows = [{}, {}, {"Focus": "", "Answer": "Summary : Another."}]
    table = cleaned(*rows)
    assert table["FocusFixed"].tolist() == ["Asthma", "Asthma", ""]
    assert table["Focus"].tolist() == ["Asthma", "Asthma", ""]
    assert table["Answer"].tolist()[2] == "Summary : Another."
