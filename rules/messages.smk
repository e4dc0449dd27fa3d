import time

from xsleep.databases.fetch.placement import placement

STARTED = time.time()


def show_placement():
    """What is left out, missing or surplus of the databases that people put in place themselves."""
    for database, line in LEFT_OUT.items():
        print(f"left out: {database}: {line}", file=sys.stderr)
    for database, settings in WORKFLOW.databases.items():
        source = settings.source
        if source.fetch is None and database not in SIMULATED:
            if line := placement(source.folder, list(ENTRIES[database].values())):
                text = f"{database}: {line} in {source.folder}{source.where_to_apply}"
                print(text, file=sys.stderr)


def show_results():
    """The tables that this run made, and where the results are."""
    from rich.console import Console

    from xsleep.results import inventory
    from xsleep.results import table2

    console = Console(stderr=True)
    shown = {
        "Recordings": ("results/recordings.csv", inventory.read_csv, inventory.summary),
        "Table 1": ("results/table1.csv", inventory.read_csv, inventory.summary1),
        "Table 2": ("results/table2.csv", table2.read_csv, table2.summary),
    }
    made = {name: table for name, table in shown.items() if is_made(table[0])}
    for path, read, summary in made.values():
        summary(read(path), console)
    for name, (path, *_) in made.items():
        more = " (also .html, .tex)" if name == "Table 2" else ""
        console.print(f"{name + ':':<12}{path}{more}")
    on_demand = ["footprint", "zero_shot", "ablation", *TRANSFER_RUNS]
    for path in filter(is_made, [*APPENDIX, *(f"results/{t}.csv" for t in on_demand)]):
        console.print(f"Table:      {path}")
    if is_made(EXPLORER):
        console.print(f"Page:       {EXPLORER}")
    for path in filter(is_made, [*rules.checklists.output, *rules.ro_crate.output[:1]]):
        console.print(f"Provenance: {path}")
    for figure in [*FIGURES, *(f"results/figures/{t}.png" for t in TRANSFER_RUNS)]:
        if figure.endswith(".png") and is_made(figure):
            console.print(f"Figure:     {figure}", soft_wrap=True)
    if is_made(AUDIT[0]):
        from xsleep.results.audit import page

        console.print(f"Audit:      {AUDIT[0]}")
        for line in page.console_lines(Path(AUDIT[1])):
            print(line, file=sys.stderr)


def is_made(path):
    """Whether this run made a file."""
    return Path(path).exists() and Path(path).stat().st_mtime >= STARTED


def is_written(log):
    """Whether a job wrote to its log."""
    return Path(log).exists() and Path(log).stat().st_size > 0


def show_failures():
    """Which jobs failed for good, whose log says why, and how to go on."""
    jobs = [
        job
        for failed in workflow.scheduler.failed
        for job in (failed.jobs if failed.is_group() else [failed])
        if not all(Path(path).exists() for path in job.output)
    ]
    # Of a job that was refused or killed nothing is in the log; the reason stands above.
    lines = {
        f"failed: {job.rule.name}, "
        + (
            f"see {job.log[0]}"
            if is_written(job.log[0])
            else "see above; its log is empty"
        )
        for job in jobs
    }
    print(*sorted(lines)[:20], sep="\n", file=sys.stderr)
    if Path(".snakemake/slurm_logs").exists():
        print(
            "What Slurm said: .snakemake/slurm_logs; see docs/cluster.md",
            file=sys.stderr,
        )
    print(
        "To go on, mend the cause and give the same command again: what is finished stays, "
        "and a training goes on from its last evaluation.",
        file=sys.stderr,
    )
