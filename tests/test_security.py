"""Nothing in the source runs what a file or a name says: no pickle, no shell, no evaluated text."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = "xsleep", "workflow_scripts", "benchmarks", "profiles"
SOURCES = sorted(path for name in FOLDERS for path in (ROOT / name).rglob("*.py"))
MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
CALLS = {"eval", "exec", "os.system", "os.popen", "yaml.load", "yaml.unsafe_load", "yaml.full_load"}
CALLS |= {"subprocess.getoutput", "subprocess.getstatusoutput", "h5py.run_tests"}


def faults(text):
    """Return the calls in a Python source that could run code of others."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found += [one.name for one in node.names if one.name.split(".")[0] in MODULES]
        elif isinstance(node, ast.ImportFrom):
            found += [node.module] * ((node.module or "").split(".")[0] in MODULES)
        elif isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            given = {one.arg: ast.unparse(one.value) for one in node.keywords}
            found += [name] * (name in CALLS)
            found += [name] * (name == "torch.load" and given.get("weights_only") != "True")
            for key in ("shell", "allow_pickle"):
                found += [f"{name}({key})"] * (given.get(key, "False") != "False")
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_source_runs_what_a_file_or_a_name_says(path):
    assert faults(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from pickle import loads",
        "np.load(a, allow_pickle=True)",
        "torch.load(a)",
        "torch.load(a, weights_only=False)",
        "subprocess.run(a, shell=True)",
        "subprocess.run(a, shell=b)",
        "os.system(a)",
        "yaml.load(a)",
        "eval(a)",
        "exec(a)",
    ],
)
def test_what_would_is_found(text):
    assert faults(text)


def test_no_rule_of_snakemake_has_a_shell_or_a_text_to_run():
    rules = [ROOT / "Snakefile", *(ROOT / "rules").glob("*.smk")]
    for path in rules:
        words = path.read_text().split()
        assert not {"shell:", "shell(", "run:", "pickle"} & {*words}, path
