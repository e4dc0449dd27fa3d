"""All checks of an audit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import getdoc

from xsleep.results.audit import finding, hashes, loop, origin, results, retrained, splits
from xsleep.results.audit.evidence import Evidence
from xsleep.results.audit.finding import Findings, Verdict
from xsleep.results.audit.normalisation import normalisation

CHECKS: Mapping[str, Callable[[Evidence], Findings]] = {
    "recordings": hashes.recordings,
    "stores": hashes.stores,
    "checkpoints": hashes.checkpoints,
    "predictions": hashes.predictions,
    "imports": hashes.imports,
    "code": origin.code,
    "packages": origin.packages,
    "configuration": origin.configuration,
    "split": splits.split,
    "pretrained on": splits.pretrained_on,
    "roles": splits.roles,
    "normalisation": normalisation,
    "stopping": loop.stopping,
    "sequences": loop.sequences,
    "true stages": results.stages,
    "imported epochs": results.imported,
    "epoch counts": results.epochs,
    "metrics": results.metrics,
    "retrained history": retrained.history,
    "retrained predictions": retrained.predictions,
}
"""Check by name; the first line of its docstring is the claim that the page shows."""


def verdicts(evidence: Evidence, report: Callable[[str], None]) -> list[Verdict]:
    """Return the verdict of every check, whatever the state of the files."""
    found = []
    for name, check in CHECKS.items():
        verdict = _verdict(name, check, evidence)
        report(f"{name}: {verdict.status}: {verdict.line}")
        found.append(verdict)
    return found


def _verdict(name: str, check: Callable[[Evidence], Findings], evidence: Evidence) -> Verdict:
    claim = (getdoc(check) or "").partition("\n")[0]
    try:
        found = check(evidence)
    except finding.NotApplicable as why:
        return Verdict(name, claim, finding.NOT_APPLICABLE, str(why))
    except Exception as error:  # damaged files raise errors of any kind
        found = Findings("", [finding.in_words(error)])
    if not found.faults:
        return Verdict(name, claim, finding.PASSED, found.examined)
    line, *rest = found.faults
    line += f" (and {len(rest):,} more, in {found.examined})" if rest else ""
    return Verdict(name, claim, finding.FAILED, line, found.faults)
