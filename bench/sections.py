"""The sections of scripts/bench: each runs its programs and returns what they measured."""
import json
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile

from callgrind import own_cost

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAMS = ROOT / "build/release/bench"
PROFILED = ROOT / "build/profiled/bench"  # of scripts/profile
PATHS = ("bulk_super_segments", "bulk_single_frames", "request_response")  # of bench/instructions.cpp
ROUNDS = 5
DEVICE_SECONDS = 1.2  # after half a second that does not count
CANNOT_HERE = 77      # netlab's: no namespace, or no TAP device


TARGETS = ("bench_load", "bench_nothing", "bench_lwip", "bench_peer", "bench_in_process", "bench_idle_memory", "bench_instructions", "bench_million", "bench_parts")
built = set()


def build(*targets):
    """Those that were not built yet."""
    if built.issuperset(targets):
        return
    built.update(targets)
    subprocess.run(["cmake", "--preset", "release", "-DTAPIR_BENCH=ON"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    # lwIP's peer is built where the library is.
    known = subprocess.run(["ninja", "-C", ROOT / "build/release", "-t", "targets", "all"], check=True, capture_output=True, text=True).stdout
    targets = [target for target in targets if re.search(rf"^{target}:", known, re.MULTILINE) or target != "bench_lwip"]
    subprocess.run([ROOT / "scripts/build", "release", *targets], check=True, stdout=sys.stderr)


def summary(values):
    """What is shown of the rounds: their median, and how far they spread."""
    middle = statistics.median(values)
    return {"median": middle, "least": min(values), "most": max(values), "rounds": values}


def step(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


# --- on a TAP device ---

def per_frame(counted):
    """Over all rounds: system calls and allocations a frame; nothing for peers that count nothing."""
    frames = sum(counts.get("frames", 0) for counts in counted)
    if frames == 0:
        return {}
    return {f"{name}_a_frame": sum(counts[name] for counts in counted) / frames for name in ("system_calls", "allocations")}


def device():
    """None where this machine gives no TAP device. The profile-guided build is measured as well where there is one."""
    build("bench_load", "bench_nothing", "bench_lwip", "bench_peer")
    step(f"on the device: {ROUNDS} rounds, each about a minute")
    run = subprocess.run([ROOT / "scripts/netlab", sys.executable, ROOT / "bench/device.py", PROGRAMS, str(ROUNDS), str(DEVICE_SECONDS), PROFILED], stdout=subprocess.PIPE, text=True)
    if run.returncode == CANNOT_HERE:
        step("the device's part is skipped")
        return None
    if run.returncode != 0:
        sys.exit(run.returncode)
    return {
        "seconds": DEVICE_SECONDS,
        "congestion_control": "cubic",
        "rows": {row: {peer: {**summary(kept["values"]), **per_frame(kept["counted"])} for peer, kept in peers.items()} for row, peers in json.loads(run.stdout).items()},
    }


# --- in one process ---

def google_benchmark(program, repetitions, min_time):
    """By name: the runs."""
    run = subprocess.run([PROGRAMS / program, "--benchmark_format=json", f"--benchmark_repetitions={repetitions}", f"--benchmark_min_time={min_time}"],
                         check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    runs = {}
    for one in json.loads(run.stdout)["benchmarks"]:
        if one["run_type"] == "iteration":
            if one.get("error_occurred"):
                sys.exit(f"bench: {one['name']}: {one['error_message']}")
            runs.setdefault(one["run_name"], []).append(one)
    return runs


def in_process():
    build("bench_in_process", "bench_idle_memory")
    step("two stacks in one process")
    paths = {}
    for name, runs in google_benchmark("bench_in_process", ROUNDS, 0.3).items():
        unit, key, scale = ("Gbit/s", "Gbit/s", 1) if name.startswith("bulk") else ("k/s", "items_per_second", 1e-3)
        paths[name.replace("/", "_")] = {
            "unit": unit,
            **summary([one[key] * scale for one in runs]),
            "allocations_a_frame": statistics.median(one["allocations/frame"] for one in runs),
        }
    memory = subprocess.run([PROGRAMS / "bench_idle_memory"], stdout=subprocess.PIPE, text=True).stdout  # its code says whether a bound is kept
    return {"paths": paths, "bytes_of_an_idle_connection": {when.strip(): int(count) for when, count in re.findall(r"^([A-Za-z -]+?) +(\d+) bytes", memory, re.MULTILINE)}}


def parts():
    build("bench_parts")
    step("the parts")
    nanoseconds = {"ns": 1, "us": 1e3, "ms": 1e6}
    found = {}
    for name, runs in google_benchmark("bench_parts", 3, 0.05).items():
        found[name] = summary([one["cpu_time"] * nanoseconds[one["time_unit"]] for one in runs])
        for key in ("items_per_second", "bytes_per_second"):
            if key in runs[0]:
                found[name][key] = statistics.median(one[key] for one in runs)
    return found


# --- instructions ---

def callgrind(program, *arguments, options=()):
    """Runs it; its output, and a profile for each dump that it asked for ("" for the one at the end)."""
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "out"
        run = subprocess.run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", *options, PROGRAMS / program, *arguments], capture_output=True, text=True)
        if run.returncode != 0:
            sys.exit(f"bench: {program} {' '.join(arguments)} failed:\n{run.stdout}{run.stderr}")
        profiles = {}
        for file in pathlib.Path(folder).iterdir():
            text = file.read_text()
            asked = re.search(r"^desc: Trigger: Client Request: (.*)$", text, re.MULTILINE)
            profiles[asked.group(1) if asked else ""] = text
        return run.stdout, profiles


def instructions():
    """Instructions a frame on each path."""
    build("bench_instructions")
    counts = {}
    for path in PATHS:
        step(f"instructions: {path}")
        frames, profiles = callgrind("bench_instructions", path, options=["--toggle-collect=void measured<*"])
        cost = own_cost(profiles[""], "bench_instructions")
        if cost == 0:
            sys.exit(f"bench: {path}: callgrind counted nothing in bench_instructions")
        counts[path] = round(cost / int(frames))
    return counts


def million():
    """A packet's cost among more and more connections."""
    build("bench_million")
    step("a million connections: the time of a packet")
    timed = subprocess.run([PROGRAMS / "bench_million"], check=True, stdout=subprocess.PIPE, text=True).stdout
    rows = [json.loads(line) for line in timed.splitlines()]
    step("a million connections: its instructions (about two minutes)")
    counted, profiles = callgrind("bench_million", "1000000", "20000", options=["--instr-atstart=no", "--collect-atstart=no"])
    for row, line in zip(rows, counted.splitlines()):
        count = json.loads(line)
        row["instructions"] = round(own_cost(profiles[str(count["connections"])], "bench_million") / count["packets"])
    return rows
