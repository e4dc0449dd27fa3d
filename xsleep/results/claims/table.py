"""The claims of Sections 4.4 and 5 and Appendix D of the XSleepNet paper, sentence by sentence.

A claim has a verdict in each database, window and channel set that it is about, and one over all.
"""

from __future__ import annotations

import pandas as pd

from xsleep.results.claims import systems
from xsleep.results.claims.base import BASELINES, MOST, SINGLE_VIEWS, XSLEEPNETS, Claim
from xsleep.results.claims.evidence import Evidence
from xsleep.results.claims.learning import NoOverfitting, Prevents, Smoother
from xsleep.results.claims.reported import Gain, Outperforms, Reproduces
from xsleep.results.claims.systems import Higher, NotBelow, Repaired, Spread

EQUAL = "XSleepNet (equal weights)"
"""The control: all three branches have a weight of 1/3 throughout."""

_WEIGHTS = "Fig. 5(d) and (e), drawn only"

CLAIMS: tuple[Claim, ...] = (
    Higher(
        "XSleepNet2 beats both single views",
        "4.4",
        "XSleepNet2",
        SINGLE_VIEWS,
        criterion=systems.BEATS_BOTH,
    ),
    Higher(
        "XSleepNet1 beats both single views",
        "4.4",
        "XSleepNet1",
        SINGLE_VIEWS,
        sign=lambda case, subjects: int(case.database not in systems.SMALL),
        criterion=systems.BEATS_BOTH,
    ),
    *(
        Higher(f"{system} beats Naive Fusion", "4.4", system, ["Naive Fusion"])
        for system in XSLEEPNETS
    ),
    Higher(
        "Naive Fusion is below the better single view, except on SHHS, and with EEG on MASS and "
        "Physio2018",
        "4.4",
        "Naive Fusion",
        SINGLE_VIEWS,
        sign=lambda case, subjects: min(systems.fused(case, subjects), 0),
        criterion=systems.BELOW_ONE,
    ),
    Higher(
        "Naive Fusion is above both single views on SHHS, and with EEG on MASS and Physio2018",
        "4.4",
        "Naive Fusion",
        SINGLE_VIEWS,
        sign=lambda case, subjects: max(systems.fused(case, subjects), 0),
        criterion=systems.BEATS_BOTH,
        nowhere="none of SHHS, MASS and Physio2018 is run",
    ),
    Higher(
        "of the single views ARNN+RNN is the better on relatively small data (SleepEDF-20, MASS), "
        "FCNN+RNN on larger (Physio2018, SHHS with EEG alone)",
        "4.4",
        "ARNN+RNN",
        ["FCNN+RNN"],
        sign=systems.better_view,
        criterion="in the direction that the paper gives for the size (up to "
        f"{systems.RELATIVELY_SMALL} subjects, from {systems.LARGE} on): {systems.BEATS}",
        overall=MOST,
        nowhere="no database of either size is run",
    ),
    *(
        Outperforms(f"{system} outperforms earlier work", "4.4", system)
        for system in (*XSLEEPNETS, "ARNN+RNN")
    ),
    Outperforms(
        "FCNN+RNN outperforms earlier work (SleepEDF-20 excepted)",
        "4.4",
        "FCNN+RNN",
        excepted=["SleepEDF-20"],
        overall=MOST,
    ),
    *(
        Higher(
            f"FT-XSleepNet beats {other}",
            "4.4",
            "FT-XSleepNet",
            [other],
            sign=lambda case, subjects: int(case.database in systems.SMALL),
            nowhere="SleepEDF-20 is not run",
        )
        for other in ("FT-SeqSleepNet+", "FT-DeepSleepNet+")
    ),
    Claim(
        "finetuning converges too soon for the warm-up of XSleepNet2's approximation",
        "4.4",
        overall="",
        nowhere="it takes finetuning with XSleepNet2's approximation, which no system here has",
    ),
    *(
        Spread(f"{system}'s gains are spread over the stages", "4.4", system)
        for system in XSLEEPNETS
    ),
    NotBelow(
        "XSleepNet2 is at least XSleepNet1 on small data (SleepEDF-20)",
        "5",
        "XSleepNet2",
        ["XSleepNet1"],
        sign=systems.small,
        nowhere="no small database is run",
    ),
    NotBelow(
        "XSleepNet2 is at least XSleepNet1 on medium or large data in most cases",
        "5",
        "XSleepNet2",
        ["XSleepNet1"],
        sign=lambda case, subjects: 1 - systems.small(case, subjects),
        overall=MOST,
        nowhere="no medium or large database is run",
    ),
    *(
        Prevents(
            f"{system} prevents the overfitting{of_view} that {other} shows", "5", system, [other]
        )
        for other, of_view in (("FCNN+RNN", " of the raw view"), ("Naive Fusion", ""))
        for system in XSLEEPNETS
    ),
    NoOverfitting("no system overfits on SHHS", "5", nowhere="SHHS is not run"),
    Smoother("the loss weights of XSleepNet2 are smoother than XSleepNet1's", "5", shown=_WEIGHTS),
    Claim(
        "the loss weights of XSleepNet2 keep the views learning in step, XSleepNet1's take turns",
        "5",
        overall="",
        nowhere="the paper describes Fig. 5 and gives no measure of it; the figure is drawn",
        shown=_WEIGHTS,
    ),
    Repaired(
        "the ensemble of its branches repairs XSleepNet1 on small data (SleepEDF-20)",
        "5, D",
        "XSleepNet1",
        ["its joint branch"],
        sign=systems.small,
        criterion="the probabilities of the branches as the losses were weighted, less the joint "
        f"branch: {systems.BEATS.replace(', Holm', '')}",
        nowhere="no small database is run",
        shown="Appendix D, not at hand",
    ),
    *(
        Higher(f"adaptive weights beat equal ones: {system} and {EQUAL}", "3.2", system, [EQUAL])
        for system in XSLEEPNETS
    ),
    *(
        Reproduces(f"the measured accuracy of {system} is the published one", "Table 2", system)
        for system in (*XSLEEPNETS, *BASELINES, "FT-XSleepNet")
    ),
    *(
        Gain(f"{system} gains {gain} points over {other} on average", "4.4", system, [other])
        for system, gains in (("XSleepNet1", (0.9, 0.6, 1.1)), ("XSleepNet2", (1.2, 0.9, 1.4)))
        for other, gain in zip(BASELINES, gains, strict=True)
    ),
)


def claims(evidence: Evidence) -> pd.DataFrame:
    """Return a row per claim and case that was run, and one over all of them.

    Its columns are ``claim``, its ``section``, the case, the fields of `Finding`, and the
    ``criterion`` by which the verdict is reached.
    """
    rows = []
    for claim in CLAIMS:
        for case, finding in claim.findings(evidence).items():
            rule = "" if case.channels else claim.overall
            names = {"claim": claim.text, "section": claim.section} | case._asdict()
            criterion = "; ".join(filter(None, (claim.criterion, rule)))
            rows.append(names | finding._asdict() | {"criterion": criterion})
    return pd.DataFrame(rows)
