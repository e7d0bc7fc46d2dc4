"""What scripts/bench writes: the tables of docs/performance.md, and the plots beside it, from bench/results.json."""
import os
import pathlib
import platform
import re

import plots

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/performance.md"
BEGIN, END = "<!-- figures: scripts/bench writes them -->", "<!-- end of figures -->"
PEERS = ("nothing", "kernel", "lwip")
SINGLE_FRAMES = {
    "bulk receive, super-segments": "bulk receive, 1514-byte frames",
    "bulk receive, super-segments, as slices": "bulk receive, 1514-byte frames",
    "bulk send, super-segments": "bulk send, 1514-byte frames",
}


def machine():
    cpu = re.search(r"^model name\s*: (.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    online = pathlib.Path("/proc/cpuinfo").read_text().count("processor\t")
    return {"processor": cpu.group(1) if cpu else platform.machine(), "processors": online, "kernel": platform.release(), "load": os.getloadavg()[0]}


def quantity(row, value):
    if row.startswith("bulk"):
        return f"{value / 1e9:.2f} Gbit/s"
    return f"{value / 1e3:.1f} k/s"


def table(head, rows):
    """The first column is text, the others are numbers."""
    lines = ["| " + " | ".join(head) + " |", "|---|" + "--:|" * (len(head) - 1)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def with_lwip(rows):
    """lwIP has no super-segments: beside those of others stands what it does in single frames."""
    return {row: {**peers, **({"lwip": rows[SINGLE_FRAMES[row]]["lwip"]} if row in SINGLE_FRAMES and "lwip" in rows[SINGLE_FRAMES[row]] else {})} for row, peers in rows.items()}


def device_table(device):
    def ratio(peers, peer):
        return f"{peers['tapir']['median'] / peers[peer]['median']:.2f}" if peer in peers else "-"

    lines = []
    for row, peers in with_lwip(device["rows"]).items():
        ours = peers["tapir"]
        spins = "spin" in row
        lines.append([
            row,
            *(quantity(row, peers[peer]["median"]) if peer in peers else "-" for peer in PEERS),
            quantity(row, ours["median"]),
            f"{ours['least'] / ours['median']:.2f} - {ours['most'] / ours['median']:.2f}",
            *(ratio(peers, peer) for peer in PEERS),
            "spins" if spins else f"{ours['system_calls_a_frame']:.2f}",
            f"{ours['allocations_a_frame']:.2f}",
        ])
    return table(["what", "do-nothing peer", "kernel, veth", "lwIP", "tapir", "spread of tapir", "of do-nothing", "of the kernel", "of lwIP", "system calls a frame", "allocations a frame"], lines)


def profiled_table(device):
    """Nothing where that was not measured."""
    lines = []
    for row, peers in with_lwip(device["rows"]).items():
        if "profiled" not in peers:
            continue
        ours = peers["profiled"]
        others = ("tapir", *PEERS)
        lines.append([row, quantity(row, ours["median"]), f"{ours['least'] / ours['median']:.2f} - {ours['most'] / ours['median']:.2f}",
                      *(f"{ours['median'] / peers[peer]['median']:.2f}" if peer in peers else "-" for peer in others)])
    return table(["built with a profile", "tapir", "spread", "of tapir as above", "of do-nothing", "of the kernel", "of lwIP"], lines) if lines else ""


def in_process_table(measured, instructions):
    return table(["two stacks in one process", "median", "spread", "instructions a frame", "allocations a frame"], [
        [name.replace("_", " "), f"{path['median']:.1f} {path['unit']}", f"{path['least'] / path['median']:.2f} - {path['most'] / path['median']:.2f}",
         str(instructions.get(name, "-")), f"{path['allocations_a_frame']:.2f}"] for name, path in measured["paths"].items()
    ])


def million_table(rows):
    first = rows[0]
    return table(["connections", "time of a packet", "instructions of a packet", "time, of that among the fewest", "instructions, likewise", "memory of a connection"], [
        [f"{row['connections']:,}", f"{row['nanoseconds']:.0f} ns", f"{row['instructions']:,}", f"{row['nanoseconds'] / first['nanoseconds']:.2f}",
         f"{row['instructions'] / first['instructions']:.2f}", f"{row['bytes_a_connection']:.0f} bytes"] for row in rows
    ])


def parts_table(parts):
    lines = []
    for name, part in parts.items():
        what, _, size = name.partition("/")
        each = ""
        if "bytes_per_second" in part:
            each = f"{part['bytes_per_second'] * 8e-9:.0f} Gbit/s"
        elif "items_per_second" in part:
            each = f"{1e9 / part['items_per_second']:.1f} ns an item"
        lines.append([f"{what.replace('_', ' ')}{f', {int(size):,}' if size else ''}", f"{part['median']:,.1f} ns", f"{part['least'] / part['median']:.2f} - {part['most'] / part['median']:.2f}", each])
    return table(["part", "median", "spread", ""], lines)


def figures(results):
    """What stands between the marks of the page."""
    machine_, memory = results["machine"], results["in_process"]["bytes_of_an_idle_connection"]
    return "\n".join([
        f"{machine_['processor']}, {machine_['processors']} processors, Linux {machine_['kernel']}; {machine_['load']:.1f} programs were running when the measurement began. Medians of {results['rounds']} rounds; the kernel's sockets use {results['device']['congestion_control'].upper()}.",
        "",
        device_table(results["device"]),
        *filter(None, [profiled_table(results["device"])]),
        in_process_table(results["in_process"], results["instructions"]),
        million_table(results["million"]),
        "Bytes of an idle connection, all in: " + ", ".join(f"{count:,} {when}" for when, count in memory.items()) + ".",
        "",
        parts_table(results["parts"]),
    ])


def write_page(results):
    page = PAGE.read_text()
    before, rest = page.split(BEGIN)
    after = rest.split(END)[1]
    PAGE.write_text(f"{before}{BEGIN}\n{figures(results)}{END}{after}")


def write_plots(results):
    rows = with_lwip(results["device"]["rows"])
    for file, title, chosen in (
        ("performance-bulk.svg", "Bulk, Gbit/s: median, least and most of the rounds", [row for row in rows if row.startswith("bulk")]),
        ("performance-small.svg", "Exchanges and connections a second, in thousands", [row for row in rows if not row.startswith("bulk")]),
    ):
        values = [(row, [(peer, rows[row][peer]) for peer in (*PEERS, "tapir") if peer in rows[row]]) for row in chosen]
        (PAGE.parent / file).write_text(plots.bars(title, values, quantity))
    among = [(f"{row['connections']:,} connections", row["nanoseconds"]) for row in results["million"]]
    # One scale: these are to be compared with each other.
    (PAGE.parent / "performance-million.svg").write_text(plots.one_scale("Time of a packet among so many connections", among, lambda value: f"{value:.0f} ns"))
