# SPDX-License-Identifier: ISC
"""What the runs say: a table of the cases, the targets, the plot. Of a case
that ran several times the run of the median rate is shown; a ratio is the
median of the ratios of each round."""

import statistics
import subprocess
from dataclasses import dataclass

import cases
import machine

MIB = 1024 * 1024
MODES = ("chunking", "pipelining", "lockstep")
# The bound of the buffers, 64 MiB, and the program itself.
PEAK_MIB = 80


def pick(**wanted):
    """The one case that is like this, and else as cases usually are."""
    plain = {"kind": "odmrd", "mode": "chunking", "rtt": 0, "tls": False,
             "size": cases.SMALL, "customers": 1, **wanted}
    found = [case for case in cases.ALL
             if all(getattr(case, name) == value
                    for name, value in plain.items())]
    assert len(found) == 1, (plain, found)
    return found[0]


class Runs:
    """The results of all rounds, by case."""

    def __init__(self):
        self.by_case = {}

    def add(self, case, result):
        self.by_case.setdefault(case, []).append(result)

    def median(self, case):
        """The run of the median rate, or None."""
        runs = sorted(self.by_case.get(case, []), key=lambda r: r["rate"])
        return runs[(len(runs) - 1) // 2] if runs else None

    def value(self, case, name):
        return statistics.median(
            run[name] for run in self.by_case[case])

    def ratio(self, name, case, other):
        """Only rounds in which both ran count; if they ran in different ones,
        the medians are compared."""
        ours, theirs = self.by_case[case], self.by_case[other]
        if len(ours) == len(theirs):
            return statistics.median(
                one[name] / two[name] for one, two in zip(ours, theirs))
        return self.value(case, name) / self.value(other, name)


@dataclass
class Target:
    text: str
    wanted: float
    least: bool  # at least, or at most
    measured: float

    @property
    def met(self):
        return (self.measured >= self.wanted if self.least
                else self.measured <= self.wanted)

    def cells(self):
        return (self.text, f"{'≥' if self.least else '≤'} {self.wanted:g}",
                f"{self.measured:.2f}", "met" if self.met else "MISSED")


def _targets(runs):
    bare, loop = pick(kind="bare"), pick()
    far, farther = pick(rtt=100), pick(rtt=300)
    single = pick(mode="pipelining", rtt=100)
    large = pick(size=cases.LARGE)
    bare_large = pick(kind="bare", size=cases.LARGE)
    many = pick(customers=20)

    def at_least(text, wanted, *ratio):
        return text, wanted, True, lambda: runs.ratio(*ratio)

    def at_most(text, wanted, call):
        return text, wanted, False, call

    return [
        at_least("loopback : bare sink", 0.9, "rate", loop, bare),
        at_least("dialled at ETRN : turned, loopback", 0.9, "rate",
                 pick(kind="held"), loop),
        at_least("100 ms : loopback", 0.7, "rate", far, loop),
        at_least("300 ms : loopback", 0.3, "rate", farther, loop),
        at_most("round trips a message, PIPELINING only", 2.2,
                lambda: runs.value(single, "round_trips")),
        at_least("TLS : clear, loopback", 0.8, "rate", pick(tls=True), loop),
        at_least("TLS : clear, 100 ms", 0.8, "rate",
                 pick(rtt=100, tls=True), far),
        at_least("25 MB messages : bare sink, bytes/s", 0.8, "bytes_rate",
                 large, bare_large),
        at_most("odmrd's peak with 25 MB messages, MiB", PEAK_MIB,
                lambda: runs.value(large, "peak_kib") / 1024),
        at_most(f"250 to first message, {cases.HELD} held or more, s", 0.3,
                lambda: runs.value(loop, "first")),
        at_most("CPU of odmrd : Postfix, 4 KiB", 0.1,
                lambda: runs.value(loop, "cpu_odmrd")
                / runs.value(loop, "cpu_postfix")),
        at_most("20 customers, last : first to finish", 1.5,
                lambda: runs.value(many, "spread")),
    ]


def targets(runs):
    """Those whose cases all ran."""
    found = []
    for text, wanted, least, call in _targets(runs):
        try:
            found.append(Target(text, wanted, least, call()))
        except KeyError:
            continue
    return found


def _number(run, name, scale=1.0, digits=2):
    return f"{run[name] * scale:.{digits}f}" if name in run else "-"


def _cpu(run, name):
    """Milliseconds for each message; a few ticks of the clock say nothing."""
    if run[name] < 20 * machine.SECONDS_PER_TICK:
        return "-"
    return f"{run[name] * 1000 / (run['seconds'] * run['rate']):.2f}"


HEAD = ("case", "mails", "s", "mails/s", "RT/mail", "first", "odmrd",
        "Postfix", "MiB")


def rows(runs):
    for case in cases.ALL:
        run = runs.median(case)
        if run is None:
            continue
        ours = case.kind in ("odmrd", "held")
        yield (case.name, str(case.messages), _number(run, "seconds", 1, 1),
               _number(run, "rate", 1, 0 if run["rate"] >= 10 else 1),
               _number(run, "round_trips"), _number(run, "first"),
               _cpu(run, "cpu_odmrd") if ours else "-", _cpu(run, "cpu_postfix"),
               _number(run, "peak_kib", 1 / 1024, 0) if ours else "-")


EXPLANATION = """\
first: seconds from ATRN's 250 to the first message. odmrd, Postfix: CPU
milliseconds for each message. MiB: the most memory that odmrd had.
"""


def _large_note(runs):
    parts = [f"{'odmrd' if case.kind == 'odmrd' else 'bare sink'} "
             f"{runs.value(case, 'bytes_rate') / MIB:.0f} MiB/s"
             for case in cases.LARGE_COMPARED if case in runs.by_case]
    return f"25 MB messages: {', '.join(parts)}\n" if parts else ""


def text(runs, about):
    """For a terminal of 80 columns."""
    def fit(cells):
        return (f"{cells[0]:<27}{cells[1]:>6}{cells[2]:>6}{cells[3]:>8}"
                f"{cells[4]:>8}{cells[5]:>6}{cells[6]:>6}{cells[7]:>8}"
                f"{cells[8]:>5}")
    out = [sentence(about), "", fit(HEAD), *map(fit, rows(runs)), "",
           EXPLANATION + _large_note(runs)]
    for target in targets(runs):
        name, wanted, measured, word = target.cells()
        out.append(f"{name:<45}{wanted:>9}{measured:>10}  {word}")
    return "\n".join(out)


def markdown(runs, about):
    def table(head, body):
        align = ["---"] + ["---:"] * (len(head) - 1)
        return "\n".join(f"| {' | '.join(cells)} |"
                         for cells in [head, align, *body]) + "\n"
    return "\n".join([
        sentence(about) + "\n",
        table(("target", "wanted", "measured", ""),
              [target.cells() for target in targets(runs)]),
        table(HEAD, rows(runs)),
        EXPLANATION + _large_note(runs)])


def sentence(about):
    return (f"{about['cpu']}, {about['cores']} cores, Linux "
            f"{about['kernel']},\nPostfix {about['postfix']}; "
            f"load before: {about['load']:.1f}")


def _points(runs, kind, mode=None):
    found = {}
    for case in cases.ALL:
        run = runs.median(case)
        if run and case.kind == kind and not case.tls and \
                case.size == cases.SMALL and case.customers == 1 and \
                mode in (None, case.mode):
            found[case.rtt] = run["rate"]
    return sorted(found.items())


def plot(runs, path):
    """Rate against round-trip time, by gnuplot."""
    lines = [(f"odmrd, {mode}", _points(runs, "odmrd", mode))
             for mode in MODES]
    lines.append(("Postfix smtp(8), 20 connections", _points(runs, "smtp")))
    ceiling = runs.median(pick(kind="bare"))
    if ceiling:
        lines.append(("Postfix lmtp(8) into a bare sink",
                      [(0, ceiling["rate"]), (300, ceiling["rate"])]))
    lines = [(title, points) for title, points in lines if points]
    script = [
        "set terminal svg size 760,460 dynamic font 'sans-serif,13' "
        "background rgb 'white'",
        f"set output '{path}'",
        "set xlabel 'round-trip time (ms)'",
        "set ylabel 'messages a second, 4 KiB each'",
        "set logscale y", "set xrange [0:310]", "set grid", "set border 3",
        "set xtics nomirror (0, 20, 100, 200, 300)", "set ytics nomirror",
        "set key outside below center horizontal"]
    script.append("plot " + ", ".join(
        f"'-' with {'lines dt 2 lc 0' if 'bare' in title else 'linespoints'}"
        f" lw 2 title '{title}'" for title, _ in lines))
    for _, points in lines:
        script += [f"{rtt} {rate}" for rtt, rate in points] + ["e"]
    subprocess.run(["gnuplot"], input="\n".join(script) + "\n", text=True,
                   check=True)
