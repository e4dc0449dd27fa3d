"""Channels of a recording: which of its signals are EEG, EOG and EMG, and which one to score.

A label is compared by the electrodes that it names, without regard to case, blanks, prefixes such
as ``EEG`` and the spelling of references (``A1`` is ``M1``, ``ROC`` is ``E2``, ``T7`` is ``T3``).
Signals that are there are preferred to derivations that would have to be made of two.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from xsleep.core.errors import InputError
from xsleep.core.recording import kind
from xsleep.databases.formats.channels import numbered

PREFIX = re.compile(r"^(eeg|eog|emg|psg|poly?|chan|channel)[\s_:.]+(?=\w)")
SUFFIX = re.compile(r"[\s_\-:]+(ref|le|avg|cle|av|avr|car)$")
"""Words before and after the electrodes of a label that do not say which they are."""

REFERENCES = ("m1", "m2", "m1m2", "cz", "fpz")
SPELLED = {
    "a1": "m1", "a2": "m2", "tp9": "m1", "tp10": "m2", "a1a2": "m1m2", "a1+a2": "m1m2",
    "m1+m2": "m1m2", "m12": "m1m2", "t7": "t3", "t8": "t4", "p7": "t5", "p8": "t6",
    "roc": "e2", "loc": "e1", "reog": "e2", "leog": "e1", "eogr": "e2", "eogl": "e1",
    "r-eog": "e2", "l-eog": "e1", "eogright": "e2", "eogleft": "e1", "righteog": "e2",
    "lefteog": "e1", "righteye": "e2", "lefteye": "e1", "eog1": "e1", "eog2": "e2", "chin": "chin1",
    "emgchin": "chin1", "chinemg": "chin1", "emg1": "chin1", "emg2": "chin2", "emg3": "chin3",
    "emgsubmental": "chin1", "submental": "chin1", "emgsubm": "chin1", "mentalis": "chin1",
}  # fmt: skip
"""Other spellings of an electrode, in small letters without blanks."""

EEG = re.compile(r"(fp|af|fc|ft|f|cp|c|tp|t|po|p|o)(z|10|[1-9])")
ELECTRODES = {"EOG": re.compile("e[12]"), "EMG": re.compile("chin[123]?")}
WHOLE = {
    "EEG": re.compile(r"eeg\d*(\(sec\))?|eegsec"),
    "EOG": re.compile(r"eog\d*|eoghorizontal|horizontaleog|heog|veog|eogh|eogv"),
    "EMG": re.compile(r"emg\d*|chinmuscle|1-2|1-f|2-f"),
}
"""Labels that name no electrodes. Noxturnal calls the electrodes of the chin 1, 2 and F."""

NEVER = re.compile(r"imp|leg|tib|lat$|rat$|arm|ecg|ekg|resp|flow|intercost|diaphragm|\bimp")
"""Signals of other kinds: impedances, muscles of the legs, the heart and breathing."""

SITES = ("c4", "c3", "cz", "f4", "f3", "fz", "o2", "o1", "fpz", "fp2", "fp1", "pz", "p4", "p3")
"""EEG electrodes in order of preference: central first, as in MASS."""

OPPOSITE = {"m1": "2468", "m2": "13579"}
"""Reference to the last characters of the electrodes on the other side of the head."""

LOWEST_RATE = {"EEG": 100.0, "EOG": 50.0, "EMG": 50.0}
"""Lowest sampling rate of each kind of channel, in hertz."""


@dataclass(frozen=True)
class Described:
    """A signal of a recording.

    Attributes:
        label: as in the file; duplicates are ``LABEL#1`` and so on.
        rate: sampling rate in hertz.
        kind: ``EEG``, ``EOG``, ``EMG`` or another word if the file states it, otherwise empty.
        voltage: false if it has a unit that is not one of voltage.
    """

    label: str
    rate: float
    kind: str = ""
    voltage: bool = True


@dataclass(frozen=True)
class Choice:
    """A signal, or the difference of two, that may be taken for a channel.

    Attributes:
        terms: label of the signal, and of the one that is subtracted from it if there is one.
        why: what it was recognised by.
    """

    terms: tuple[str, ...]
    why: str

    @property
    def label(self) -> str:
        """The label, or both as in ``C4 - M1``."""
        return " - ".join(self.terms)


def describe(signals: Iterable[Described]) -> list[Described]:
    """Return the signals with labels that are unique (``LABEL#2``)."""
    signals = list(signals)
    names = numbered([signal.label for signal in signals])
    return [Described(n, s.rate, s.kind, s.voltage) for n, s in zip(names, signals, strict=True)]


def electrodes(label: str) -> tuple[str, ...]:
    """Return the electrodes that a label names, in one spelling; empty if it names none."""
    terms = [electrodes(term) for term in label.split(" - ")] if " - " in label else []
    if len(terms) == 2 and all(len(term) == 1 for term in terms):  # a derivation that was made
        return (*terms[0], *terms[1])
    text = _plain(label)
    parts = [_spelled(part) for part in re.split(r"\s*[-–/_:]\s*", text) if part]
    if not parts:
        return ()
    one = _spelled(text)
    if _known(one):
        return (one,)
    return tuple(parts) if all(map(_known, parts)) and len(parts) <= 2 else ()


def identity(label: str) -> tuple[str, ...] | str:
    """Return what two labels of one signal have in common: electrodes, or the label itself."""
    return electrodes(label) or _plain(label)


def _plain(label: str) -> str:
    text = " ".join(unicodedata.normalize("NFKC", label).split("#")[0].casefold().split())
    return SUFFIX.sub("", PREFIX.sub("", text))


def _spelled(text: str) -> str:
    joined = re.sub(r"[\s.()]+", "", text)
    return SPELLED.get(joined, joined)


def _known(electrode: str) -> bool:
    patterns = (EEG, *ELECTRODES.values())
    return electrode in REFERENCES or any(p.fullmatch(electrode) for p in patterns)


def kind_of(signal: Described) -> str:
    """Return ``EEG``, ``EOG`` or ``EMG`` for a signal, by its label or the file; otherwise ""."""
    folded = " ".join(unicodedata.normalize("NFKC", signal.label).casefold().split())
    if not signal.voltage or NEVER.search(folded):
        return ""
    named = electrodes(signal.label)
    if named and named[0] not in ("m1", "m2", "m1m2"):
        for kind, pattern in ELECTRODES.items():
            if pattern.fullmatch(named[0]):
                return kind
        return "EEG"
    joined = re.sub(r"[\s_]+", "", folded.split("#")[0])
    by_label = next((kind for kind, pattern in WHOLE.items() if pattern.fullmatch(joined)), "")
    by_word = next((k for k in WHOLE if re.match(rf"{k.lower()}\b", folded) and not named), "")
    return by_label or by_word or (signal.kind if signal.kind in WHOLE and not named else "")


def choices(kind: str, signals: Sequence[Described], trained: Sequence[str] = ()) -> list[Choice]:
    """Return the signals and derivations that fit a channel, best first.

    Args:
        kind: ``EEG``, ``EOG`` or ``EMG``.
        signals: those of the recording, with unique labels.
        trained: labels of the channel that the network was trained on, which come first.
    """
    fast = [s for s in signals if s.rate >= LOWEST_RATE[kind] * 0.999]
    fitting = [signal for signal in fast if kind_of(signal) == kind]
    wanted = [identity(label) for label in trained]

    def place(signal: Described) -> tuple[int, ...]:
        key = identity(signal.label)
        first = wanted.index(key) if key in wanted else len(wanted)
        return (first, *_rank(kind, electrodes(signal.label)))

    found = [
        Choice((signal.label,), _why(kind, signal, identity(signal.label) in wanted))
        for signal in sorted(fitting, key=place)
    ]
    pairs = [c for c in found if len(electrodes(c.label)) != 1]
    alone = [c for c in found if c not in pairs]
    return [*pairs, *_made(kind, fast), *alone]


def _rank(kind: str, named: Sequence[str]) -> tuple[int, ...]:
    """Return a sort key: smaller for the electrodes that are scored rather."""
    if kind == "EEG":
        site = SITES.index(named[0]) if named and named[0] in SITES else len(SITES)
        opposite = len(named) == 2 and named[0][-1] in OPPOSITE.get(named[1], "")
        return site // 3, not opposite, site
    order = [("e2", "e1"), ("e1", "e2"), ("e1", "m2"), ("e2", "m1"), ("chin1", "chin2")]
    return (next((i for i, pair in enumerate(order) if pair == tuple(named)), len(order)),)


def _why(kind: str, signal: Described, trained: bool) -> str:
    if trained:
        return "as the network was trained"
    if electrodes(signal.label):
        return "by its electrodes"
    return "by its label" if kind_of(Described(signal.label, signal.rate)) else "by its type"


def _made(kind: str, signals: Sequence[Described]) -> Iterator[Choice]:
    """Yield the derivations of two signals of single electrodes."""
    single = {
        named[0]: signal
        for signal in signals
        if signal.voltage and len(named := electrodes(signal.label)) == 1
    }
    if kind == "EEG":
        sites = [site for site in SITES if site in single]
        pairs = [
            (site, reference)
            for site, reference in product(sites, OPPOSITE)
            if reference in single and (site[-1] in OPPOSITE[reference] or site[-1] == "z")
        ]
    else:
        pairs = [("e2", "e1")] if kind == "EOG" else [("chin1", "chin2")]
    for first, second in pairs:
        if first in single and second in single and single[first].rate == single[second].rate:
            yield Choice((single[first].label, single[second].label), "made of two electrodes")


def resolve(path: Path | str, kind: str, given: str, signals: Sequence[Described]) -> Choice:
    """Return the signal or derivation that a user names for a channel.

    Args:
        path: the recording, for messages.
        kind: ``EEG``, ``EOG`` or ``EMG``, for messages.
        given: a label in any spelling, or a derivation as in ``C4-M1``.
        signals: those of the recording, with unique labels.

    Raises:
        InputError: no signal, or several, have that label.
    """
    if found := _named(path, given, signals):
        return Choice((found,), "as given")
    for sign in re.finditer(r"\s*[-–]\s*", given):
        terms = (given[: sign.start()], given[sign.end() :])
        labels = [_named(path, term, signals) for term in terms]
        if all(labels):
            return Choice(tuple(map(str, labels)), "as given, made of two signals")
    raise InputError(
        f"{path}: no {kind} channel {given!r}; it has {', '.join(repr(s.label) for s in signals)}"
    )


def _named(path: Path | str, given: str, signals: Sequence[Described]) -> str:
    """Return the label of the only signal that is called so; empty if none is."""
    for same in (_exact, _folded, electrodes):
        key = same(given)
        found = [s.label for s in signals if key and same(s.label) == key]
        bare = [s.label for s in signals if key and same(s.label.rpartition("#")[0]) == key]
        if len(found) == 1 and not (same is not _exact and len(bare) > 1):
            return found[0]
        if several := found or bare:
            raise InputError(
                f"{path}: {len(several)} signals are called {given!r}; choose one of "
                f"{', '.join(map(repr, several))}"
            )
    return ""


def _exact(label: str) -> str:
    return label


def _folded(label: str) -> str:
    return re.sub(r"\s+", "", unicodedata.normalize("NFKC", label).casefold())


def find(
    path: Path | str,
    channels: Sequence[str],
    signals: Sequence[Described],
    given: Mapping[str, str],
    trained: Mapping[str, Sequence[str]],
) -> dict[str, list[Choice]]:
    """Return what fits each channel, best first; what the user named is alone.

    Of several channels of a kind (``EEG``, ``EEG2``) each has the next best; none is taken twice.

    Raises:
        InputError: nothing fits a channel, or what was named is not there.
    """
    found = {c: [resolve(path, c, given[c], signals)] if c in given else [] for c in channels}
    for channel in channels:
        if channel not in given:
            alike = [found[c][0] for c in channels if kind(c) == kind(channel) and found[c]]
            fitting = choices(kind(channel), signals, trained.get(channel, ()))
            found[channel] = [c for c in fitting if _same(c) not in map(_same, alike)]
            if fitting and not found[channel]:
                labels = ", ".join(repr(choice.label) for choice in alike)
                raise InputError(
                    f"{path}: no other signal than {labels} is there for {channel}; take a network "
                    "of fewer channels"
                )
        if not found[channel]:
            raise InputError(f"{path}: {_none(channel, signals)}")
        best = found[channel][0].label
        if "#" in best and channel not in given:
            raise InputError(
                f"{path}: several signals are called {best.rpartition('#')[0]!r}; choose one with "
                f"{_option(channel)}, as in {best!r}"
            )
    return found


def _same(choice: Choice) -> object:
    """Return what is equal for two choices of one signal: a derivation may be there, and made."""
    return electrodes(choice.label) or choice.label


def _option(channel: str) -> str:
    """Return the option of the command that names the signal of a channel."""
    return f"--{channel.lower()}" if channel in LOWEST_RATE else f"--channel {channel}=LABEL"


def _none(channel: str, signals: Sequence[Described]) -> str:
    """Return why no signal fits a channel, and what to do."""
    named, least = f"name another with {_option(channel)}", LOWEST_RATE[kind(channel)]
    if slow := [s for s in signals if kind_of(s) == kind(channel)]:
        rates = ", ".join(f"{s.label!r} at {s.rate:g} Hz" for s in slow)
        return f"{channel} needs {least:g} Hz and more, and it has {rates}; {named}"
    labels = ", ".join(repr(s.label) for s in signals)
    return f"none of its signals is recognised as {channel}; {named}: {labels}"
