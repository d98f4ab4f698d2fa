"""What a model should learn from each pair: noise stripped, boilerplate rewritten, junk flagged.

Knows nothing about splits. Nothing is filled in from other rows: a missing value stays missing.
"""

import re

import pandas as pd

WHY = {
    "empty": "no answer, or no question",
    "echo": "the answer is only the question again",
    "stub": "the answer is only a heading",
    "toc": "the answer is a table of contents",
    "linklist": "the answer is a list of links without its links",
    "dup": "the question and answer of an earlier row",
    "hpo": "a Human Phenotype Ontology list, rewritten as prose",
    "": "nothing amiss",
}
"""What each flag says."""
REASONS = frozenset(WHY) - {"hpo", ""}
"""The flags of rows that are not kept."""

_BLANK_FOCUS = {  # three CDC documents, whose subject their addresses and questions tell
    "0000199.xml": "Vaccine-preventable diseases",
    "0000423.xml": "VISA/VRSA (vancomycin-resistant Staphylococcus aureus)",
    "0000424.xml": "Vancomycin-resistant Enterococci (VRE)",
}
_QUESTION_MARKS = re.compile(r"[\s?]*$")
_BLANK_SUBJECT = re.compile(r"^(?:What is \(are\)|Who is at risk for|How to prevent)$")
_KEY_POINTS = re.compile(r"^Key Points\s+-\s+")
_SUMMARY = re.compile(r"^Summary\s*:\s*")
_NIH_TAG = re.compile(r"\s+NIH:\s+[^.?!]{3,150}$")
_WATCH = re.compile(r"\s*\(Watch the video[^()]*(?:\([^()]*\)[^()]*)*\)", re.IGNORECASE)
_ECHO = re.compile(
    r"^(?:What|How|Who|Why|When|Where|Which|Is|Are|Can|Do|Does)\b(?:[^.?!]|\.(?!\s)){5,300}\?\s*"
)
_STUB = re.compile(r"^(?:Topics|Frequently Asked Quee?stions \(FAQs\)[A-Za-z ]{0,30})$")
_HPO = re.compile(
    r"The Human Phenotype Ontology provides the following list of signs and symptoms for .*?"
    r"Signs and Symptoms Approximate number of patients \(when available\)\s*(?P<terms>.*?)\s*"
    r"(?:The Human Phenotype Ontology \(HPO\) has collected information"
    r".*?may be rare or common\.|$)"
)
_HPO_TERM = re.compile(r"(?P<term>\S.*?)\s+(?P<share>\d+(?:\.\d+)?%|\d+/\d+|-)(?=\s|$)")


def clean(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with `FocusFixed`, `QuestionClean`, `AnswerClean`, `Flags` and `Keep`.

    `Flags` joins names from `REASONS` and `hpo` (a rewritten symptom list) by "|"; `Keep` is "1"
    for rows fit to learn from, else "0".
    """
    cleaned = table.copy()
    cleaned["FocusFixed"] = [
        focus or (_BLANK_FOCUS.get(file, "") if collection == "9_CDC_QA" else "")
        for focus, file, collection in zip(
            table["Focus"], table["File"], table["Collection"], strict=True
        )
    ]
    cleaned["QuestionClean"] = [
        clean_question(question, focus)
        for question, focus in zip(table["Question"], cleaned["FocusFixed"], strict=True)
    ]
    echoes = table["Source"].isin(["GARD", ""])
    cleaned["AnswerClean"] = [
        clean_answer(answer, may_echo=may_echo)
        for answer, may_echo in zip(table["Answer"], echoes, strict=True)
    ]
    flags = [
        _flags(question, answer)
        for question, answer in zip(table["Question"], table["Answer"], strict=True)
    ]
    repeated = table.duplicated(["Question", "Answer"])
    cleaned["Flags"] = [
        flag or ("dup" if again else "") for flag, again in zip(flags, repeated, strict=True)
    ]
    cleaned["Keep"] = cleaned["Flags"].map(lambda flag: "0" if flag in REASONS else "1")
    return cleaned


def clean_question(question: str, focus: str) -> str:
    """Return the question with one question mark, a capital, and "What is" for "What is (are)".

    A template whose subject is blank gets the document's focus.
    """
    stripped = _QUESTION_MARKS.sub("", question)
    if _BLANK_SUBJECT.match(stripped):
        stripped = f"{stripped} {focus}"
    plain = re.sub(r"^what is \(are\) ", "What is ", stripped, flags=re.IGNORECASE)
    return f"{plain[:1].upper()}{plain[1:]}?"


def clean_answer(answer: str, *, may_echo: bool) -> str:
    """Return the answer without what its web page put around it.

    `may_echo` allows a first sentence that is a question to be taken for an echo of the question
    and left out; GARD's answers do that.
    """
    text = _WATCH.sub("", answer)
    text = _without_key_points(text)
    text = _NIH_TAG.sub("", _SUMMARY.sub("", text))
    text = _HPO.sub(_symptoms, text)
    if may_echo:
        text = _without_echo(text)
    return " ".join(text.removeprefix("- ").split())


def _flags(question: str, answer: str) -> str:
    """Return the reason to leave a row out, or `hpo`, or nothing."""
    if not _words(question) or not _words(answer):
        return "empty"
    if _words(answer) == _words(question) or _without_echo(answer) == "":
        return "echo"
    if answer.startswith("On this Page"):
        return "toc"
    if _STUB.match(answer):
        return "stub"
    if answer.startswith(("These resources address", "These resources from")):
        return "linklist"
    return "hpo" if _HPO.search(answer) else ""


def _without_key_points(text: str) -> str:
    """Drop CancerGov's list of section headings: the text proper begins with the first again."""
    listed = _KEY_POINTS.sub("", text)
    if listed == text:
        return text
    heading = re.split(r" - |(?<=[.?])\s", listed, maxsplit=1)[0].strip()
    again = listed.find(heading, len(heading))
    return listed[again:] if again > 0 else listed


def _without_echo(text: str) -> str:
    return _ECHO.sub("", text, count=1)


def _symptoms(match: re.Match[str]) -> str:
    """Write the Human Phenotype Ontology's table as a sentence."""
    terms = [
        term["term"] if term["share"] == "-" else f"{term['term']} ({term['share']})"
        for term in _HPO_TERM.finditer(match["terms"])
    ]
    return f"Reported signs and symptoms include: {', '.join(terms)}." if terms else ""


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())
