"""What every model made here is not for, and why: said the same in cards and reports."""

NOT_FOR = (
    "Not for medical advice, diagnosis, triage, or any decision about anybody's health, and not "
    "for anything that is shown to patients as information."
)
LIMITS = (
    "An answer has the form of a medical answer whatever its content: names, numbers and "
    "inheritance are often made up, and nothing marks which.",
    "It knows no date, no source and no person: nothing can be traced, and what MedQuAD "
    "(2019) says may be out of date.",
    "It was trained on English questions that institutions wrote, in about sixteen patterns; "
    "people who ask in their own words get worse answers.",
    "The figures measure likeness to published answers, never truth, harm or usefulness.",
)
