"""The claims of the XSleepNet paper that can be tested, each with its criterion and its verdict.

Sections 4.4 and 5 and Appendix D, sentence by sentence. A claim has a verdict in each database,
window and channel set that it is about, and one over all that were run. Where it is undecided,
``why`` says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd

from xsleep.core.errors import InputError
from xsleep.results.claims.evidence import (
    ALL,
    BASELINES,
    CONTRADICTED,
    MOST,
    NOT_PUBLISHED,
    SINGLE_VIEWS,
    SUPPORTED,
    UNDECIDED,
    XSLEEPNETS,
    Case,
    Claim,
    Evidence,
    Finding,
    paper_cases,
)
from xsleep.results.claims.learning import (
    LOSSES,
    NO_OVERFITTING,
    PREVENTS,
    SMOOTHER,
    WEIGHTS,
    no_overfitting,
    prevents,
    smoother,
)
from xsleep.results.claims.reported import (
    OUTPERFORMS,
    REPRODUCED,
    gains,
    outperforms,
    reported_outperforms,
    reproduces,
)
from xsleep.results.claims.systems import (
    APPENDIX_C,
    APPENDIX_D,
    AT_LEAST,
    BEATS,
    BEATS_BOTH,
    BELOW_ONE,
    LARGE,
    RELATIVELY_SMALL,
    SMALL,
    SPREAD,
    at_least,
    but_on_small,
    by_size,
    everywhere,
    fused_above,
    fused_below,
    on_small,
    repaired,
    reported_at_least,
    reported_by_size,
    small,
    spread,
    versus,
)
from xsleep.results.measurements import CASE

EQUAL_WEIGHTS = "XSleepNet (equal weights)"
"""The control: all three branches have a weight of 1/3 throughout."""

CLAIMS = (
    *(
        versus(f"{system} beats both single views", "4.4", system, SINGLE_VIEWS, sign, BEATS_BOTH)
        for system, sign in zip(XSLEEPNETS, (everywhere, but_on_small), strict=True)
    ),
    *(
        versus(f"{system} beats Naive Fusion", "4.4", system, BASELINES[:1])
        for system in XSLEEPNETS
    ),
    versus(
        "Naive Fusion is below the better single view, except on SHHS, and with EEG on MASS and "
        "Physio2018",
        *("4.4", "Naive Fusion", SINGLE_VIEWS, fused_below, BELOW_ONE),
    ),
    versus(
        "Naive Fusion is above both single views on SHHS, and with EEG on MASS and Physio2018",
        *("4.4", "Naive Fusion", SINGLE_VIEWS, fused_above, BEATS_BOTH),
        nowhere="none of SHHS, MASS and Physio2018 is run",
    ),
    Claim(
        "of the single views ARNN+RNN is the better on relatively small data (SleepEDF-20, MASS), "
        "FCNN+RNN on larger (Physio2018, SHHS with EEG alone)",
        "4.4",
        f"in the direction that the paper gives for the size (up to {RELATIVELY_SMALL} subjects, "
        f"from {LARGE} on): {BEATS}",
        by_size,
        reported_by_size,
        MOST,
        nowhere="no database of either size is run",
    ),
    *(
        Claim(
            f"{system} outperforms earlier work"
            + (" (SleepEDF-20 excepted)" if system == "FCNN+RNN" else ""),
            "4.4",
            OUTPERFORMS,
            partial(outperforms, system=system),
            partial(reported_outperforms, system=system),
            MOST if system == "FCNN+RNN" else ALL,
            nowhere="no database and channel set is run for which the paper quotes any",
        )
        for system in (*XSLEEPNETS, *SINGLE_VIEWS)
    ),
    *(
        versus(
            f"FT-XSleepNet beats {other}",
            *("4.4", "FT-XSleepNet", (other,), on_small),
            nowhere="SleepEDF-20 is not run",
        )
        for other in ("FT-SeqSleepNet+", "FT-DeepSleepNet+")
    ),
    Claim(
        "finetuning converges too soon for the warm-up of XSleepNet2's approximation",
        "4.4",
        "none",
        lambda evidence, case: None,
        overall="",
        nowhere="it takes finetuning with XSleepNet2's approximation, which no system here has",
    ),
    *(
        Claim(
            f"{system}'s gains are spread over the stages",
            "4.4",
            SPREAD,
            partial(spread, system=system),
            overall=MOST,
            shown=APPENDIX_C,
        )
        for system in XSLEEPNETS
    ),
    Claim(
        "XSleepNet2 is at least XSleepNet1 on small data (SleepEDF-20)",
        "5",
        AT_LEAST,
        partial(at_least, sign=small),
        partial(reported_at_least, databases=lambda name: name in SMALL),
        nowhere="no small database is run",
    ),
    Claim(
        "XSleepNet2 is at least XSleepNet1 on medium or large data in most cases",
        "5",
        AT_LEAST,
        partial(at_least, sign=lambda evidence, case: not small(evidence, case)),
        partial(reported_at_least, databases=lambda name: name not in SMALL),
        MOST,
        nowhere="no medium or large database is run",
    ),
    *(
        Claim(
            f"{system} prevents the overfitting{of_view} that {other} shows",
            "5",
            PREVENTS,
            partial(prevents, system=system, branch=branch, other=other),
            shown=LOSSES,
        )
        for of_view, branch, other in (
            (" of the raw view", "raw", "FCNN+RNN"),
            ("", "joint", "Naive Fusion"),
        )
        for system in XSLEEPNETS
    ),
    Claim(
        "no system overfits on SHHS",
        "5",
        NO_OVERFITTING,
        no_overfitting,
        nowhere="SHHS is not run",
        shown=LOSSES,
    ),
    Claim(
        "the loss weights of XSleepNet2 are smoother than XSleepNet1's",
        *("5", SMOOTHER, smoother),
        shown=WEIGHTS,
    ),
    Claim(
        "the loss weights of XSleepNet2 keep the views learning in step, XSleepNet1's take turns",
        "5",
        "none",
        lambda evidence, case: None,
        overall="",
        nowhere="the paper describes Fig. 5 and gives no measure of it; the figure is drawn",
        shown=WEIGHTS,
    ),
    Claim(
        "the ensemble of its branches repairs XSleepNet1 on small data (SleepEDF-20)",
        "5, D",
        f"the probabilities of the branches as the losses were weighted, less the joint branch: "
        f"{BEATS.replace(', Holm', '')}",
        repaired,
        nowhere="no small database is run",
        shown=APPENDIX_D,
    ),
    *(
        versus(
            f"adaptive weights beat equal ones: {system} and {EQUAL_WEIGHTS}",
            *("3.2", system, (EQUAL_WEIGHTS,)),
        )
        for system in XSLEEPNETS
    ),
    *(
        Claim(
            f"the measured accuracy of {system} is the published one",
            "Table 2",
            REPRODUCED,
            partial(reproduces, system=system),
            nowhere="none of its published figures is measured",
            shown="Table 2",
        )
        for system in (*XSLEEPNETS, *BASELINES, "FT-XSleepNet")
    ),
)


def claims(evidence: Evidence) -> pd.DataFrame:
    """Test each claim in each case that was run, and over all of them.

    Returns:
        A row per claim and case, then one for ``all``: ``claim``, its ``section``, the case, what
        is ``published`` and ``measured``, the ``verdict`` (supported, contradicted or undecided),
        ``why`` where it is undecided, and the ``criterion`` that it follows.
    """
    rows = []
    for claim in CLAIMS:
        tested = {case: _tested(claim, evidence, case) for case in evidence.cases()}
        found = {case: finding for case, finding in tested.items() if finding}
        rows += [_row(claim, case, finding) for case, finding in found.items()]
        rows.append(_row(claim, Case("all", "", ""), _overall(claim, list(found.values()))))
    rows += [_row(*row) for row in gains(evidence)]
    return pd.DataFrame(rows)


def _tested(claim: Claim, evidence: Evidence, case: Case) -> Finding | None:
    try:
        return claim.test(evidence, case)
    except InputError as error:
        return Finding(_reported(claim, case), "", UNDECIDED, str(error))


def _overall(claim: Claim, findings: Sequence[Finding]) -> Finding:
    """Return the finding over all cases that were run."""
    number = {
        verdict: sum(finding.verdict == verdict for finding in findings)
        for verdict in (SUPPORTED, CONTRADICTED, UNDECIDED)
    }
    enough = len(findings) if claim.overall == ALL else len(findings) // 2 + 1
    against = 1 if claim.overall == ALL else enough
    verdict, why = UNDECIDED, ""
    if findings and number[SUPPORTED] >= enough:
        verdict = SUPPORTED
    elif findings and number[CONTRADICTED] >= against:
        verdict = CONTRADICTED
    elif not findings:
        why = claim.nowhere
    else:
        whys = dict.fromkeys(finding.why for finding in findings if finding.why)
        why = "; ".join(whys) if len(whys) < 3 else "see its cases"
    counted = ", ".join(f"{name} in {n}" for name, n in number.items() if n)
    measured = f"{counted} of {len(findings)}" if findings else ""
    return Finding(_reported_over_all(claim), measured, verdict, why)


def _row(claim: Claim, case: Case, finding: Finding) -> dict[str, str]:
    rule = "" if case.channels else claim.overall
    criterion = "; ".join(filter(None, (claim.criterion, rule)))
    return (
        {"claim": claim.text, "section": claim.section}
        | dict(zip(CASE, case, strict=True))
        | finding._asdict()
        | {"criterion": criterion}
    )


def _reported(claim: Claim, case: Case) -> str:
    if not claim.reported:
        return claim.shown
    value = claim.reported(case)
    return NOT_PUBLISHED if np.isnan(value) else f"{value:+z.1f}"


def _reported_over_all(claim: Claim) -> str:
    """Return in how many cases of Table 2 the published values agree with the claim."""
    if not claim.reported:
        return claim.shown
    values = np.array([claim.reported(case) for case in paper_cases()])
    values = values[np.isfinite(values)].round(3)
    if not len(values):
        return NOT_PUBLISHED
    words = (("so", values > 0), ("equal", values == 0), ("not so", values < 0))
    counted = ", ".join(f"{word} in {there.sum()}" for word, there in words if there.any())
    return f"{counted} of {len(values)}"
