"""Made-up results of a laboratory, and its bundle."""

import json
from pathlib import Path

from tests.helpers.studies import Study
from xsleep.core.files import sha256, write_csv
from xsleep.databases import source_of
from xsleep.results import formatting
from xsleep.results.bundle import write_bundle

DATABASE = "SleepEDF-20"
FOLDS = [("a1", "a2", "b1", "d1"), ("e1", "f1", "g1", "h1")]
CLAIMS = {"XSleepNet2 beats both single views": "undecided", "no system overfits": "supported"}


class Laboratory:
    """Results of systems on made-up recordings, in a folder of their own."""

    def __init__(self, folder, skills, *, seeds=(1,), folds=FOLDS, verdicts=CLAIMS):
        self.root = folder / "results"
        self.root.mkdir(parents=True)
        self.study = Study(self.root)
        for system, skill in skills.items():
            for seed in seeds:
                for number, names in enumerate(folds, start=1):
                    self.study.run(*names, seed=seed, fold=number, system=system, skill=skill)
        self.folder = self.root / DATABASE
        self.folder.mkdir()
        self.study.recordings(DATABASE).rename(self.folder / "recordings.csv")
        rows = [
            {"fold": number, "role": "test", "subject": name[0], "recording": name}
            for number, names in enumerate(folds, start=1)
            for name in names
        ]
        write_csv(self.folder / "folds.csv", rows)
        case = {"database": DATABASE, "window": "in-bed", "channels": "EEG"}
        claims = [{"claim": claim, **case, "verdict": v} for claim, v in verdicts.items()]
        write_csv(self.root / "claims.csv", claims)
        self.write_table2(self.study.table())
        (self.root / f"{DATABASE}.csv").unlink()
        self.source = source_of(reader="sleep-edf-20", folder="/data/our nights", labels={})

    def write_table2(self, table):
        formatting.write_csv(self.root / "table2.csv", table)

    def write_crate(self):
        path = self.root / "table2.csv"
        entity = {"sha256": sha256(path), "contentSize": str(path.stat().st_size)}
        (self.root / "ro-crate-metadata.json").write_text(json.dumps({"@graph": [entity]}))

    def bundle(self, name="bundle.zip"):
        files = [path for path in self.root.rglob("*") if path.is_file() and path.suffix != ".zip"]
        path = self.root / name
        write_bundle(path, self.root, files, runs=self.study.runs, sources={DATABASE: self.source})
        return Path(path)
