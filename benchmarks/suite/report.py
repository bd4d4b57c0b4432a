"""Results as a Markdown table, an SVG plot and JSON."""

import json
from statistics import median
from xml.sax.saxutils import escape

from .gateways import BEFORE

COLOURS = {"Sluice": "#0b6e99", "nginx": "#6aa84f", "HAProxy": "#c27c0e", "nginx+Lua": "#8e63b0", "H2O": "#a64d79", "floor": "#9a9a9a"}
NO_DEARER = 1.02    # how much of the CPU of an earlier Sluice a new one may take


def spread(values):
    """Half the range over the median: 0.05 says that every round lies within about 5 % of the middle."""
    return (max(values) - min(values)) / 2 / median(values) if median(values) else 0


def ratios(result, program):
    """Sluice over the other, round by round: what the machine does to a round, it does to both. Another Sluice: that over the first."""
    own, other = result["rounds"]["Sluice"], result["rounds"][program]
    if result.get("variants"):
        own, other = other, own
    return [mine["cpu"] / theirs["cpu"] for mine, theirs in zip(own, other) if theirs["cpu"]]


def verdict(result, program):
    if program == "Sluice" or "Sluice" not in result["rounds"]:
        return ""
    value = median(ratios(result, program))
    if program in result.get("above", {}):
        target = result["above"][program]
        more = median([its["cpu"] - first["cpu"] for first, its in zip(result["rounds"]["Sluice"], result["rounds"][program])])
        return f"{value:.2f}, {more:+.2f} us (target {target:+.2f}: {'met' if round(more, 2) <= target else 'missed'})"
    # Another version of a program is held to the same.
    target = result["targets"].get(program, result["targets"].get(program.split(" ")[0], NO_DEARER if program == BEFORE else None))
    return f"{value:.2f}" + (f" (target {target:.2f}: {'met' if round(value, 2) <= target else 'missed'})" if target else "")


def tail(result):
    """p99 over the better of the other gateways; "" where nothing is said of it. Medians of the rounds: the better of two in each round would
    be compared with one that was drawn once."""
    others = [name for name in result["rounds"] if name not in ("Sluice", BEFORE, "floor")]
    if not result.get("tail") or not others or "Sluice" not in result["rounds"]:
        return ""
    p99 = {name: median([one["p99"] for one in rounds]) for name, rounds in result["rounds"].items()}
    value = p99["Sluice"] / min(p99[name] for name in others)
    return f"p99 over the better of the others: {value:.2f} (target {result['tail']:.2f}: {'met' if round(value, 2) <= result['tail'] else 'missed'})"


def markdown(results, facts, settings):
    lines = ["# CPU per request, side by side", "", "| | |", "|---|---|"] + [f"| {name} | {value} |" for name, value in facts + settings] + [""]
    lines += ["CPU is user and system time of the gateway's processes per request, in microseconds: the median of the rounds, and half the range of the rounds",
              "over the median. The ratio is the median of the rounds' own ratios, Sluice over the other: below 1 Sluice is cheaper. Latencies are",
              "microseconds under the load that the scenario makes, which saturates but where its title names a rate; they compare programs, not promises.", ""]
    for result in results:
        compared = "its CPU over the first" if result.get("variants") else "Sluice's CPU over it"
        lines += [f"## {result['name']}: {result['title']}", "", f"| program | CPU, us | spread | user share | requests/s | p50 | p99 | p99.9 | {compared} |",
                  "|---|---:|---:|---:|---:|---:|---:|---:|---|"]
        for program, rounds in result["rounds"].items():
            of = lambda key: median([one[key] for one in rounds])
            lines.append(f"| {program} | {of('cpu'):.2f} | {spread([one['cpu'] for one in rounds]):.0%} | {of('user'):.0%} | {of('perSecond'):,.0f} | {of('p50'):,.0f} "
                         f"| {of('p99'):,.0f} | {of('p999'):,.0f} | {verdict(result, program)} |")
        lines += ["", tail(result), "", *(f"Not compared: {line}" for line in result.get("skipped", [])), ""]
    return "\n".join(lines).replace("\n\n\n", "\n\n").rstrip() + "\n"


def svg(results, facts):
    """One row of bars per scenario, CPU per request, scaled to the dearest program of that scenario."""
    width, left, bar, gap = 900, 330, 13, 16
    rows, y = [], 64
    for result in results:
        medians = {program: median([one["cpu"] for one in rounds]) for program, rounds in result["rounds"].items()}
        top = max(medians.values()) or 1
        rows.append(f'<text x="{left - 12}" y="{y + bar * len(medians) / 2 + 4:.0f}" text-anchor="end">{escape(result["title"])}</text>')
        for program, value in medians.items():
            length = value / top * (width - left - 190)
            rows.append(f'<rect x="{left}" y="{y}" width="{length:.1f}" height="{bar - 2}" fill="{COLOURS.get(program, COLOURS.get(program.split(" ")[0], "#0b6e99"))}"/>'
                        f'<text x="{left + length + 6:.1f}" y="{y + bar - 4}" class="value">{escape(program)} {value:.2f} µs</text>')
            y += bar
        y += gap
    where = "; ".join(value for name, value in facts if name in ("processor", "kernel", "date"))
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{y + 10}" viewBox="0 0 {width} {y + 10}" font-family="sans-serif" font-size="12">',
        "<style>.value{font-size:10px;fill:#444}</style>", f'<rect width="{width}" height="{y + 10}" fill="#fff"/>',
        '<text x="16" y="24" font-size="16">CPU per request (shorter is cheaper), each scenario to its own scale</text>',
        f'<text x="16" y="44" class="value">{escape(where)}</text>', *rows, "</svg>"]) + "\n"


def write(folder, name, results, facts, settings):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps({"facts": facts, "settings": settings, "results": results}, indent=1) + "\n")
    (folder / f"{name}.md").write_text(markdown(results, facts, settings))
    (folder / f"{name}.svg").write_text(svg(results, facts))
