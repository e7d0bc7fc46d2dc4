"""What callgrind counted in one program's own functions. The format: valgrind's manual, "Callgrind Format Specification"."""
import pathlib
import re


def own_cost(profile, program):
    """The instructions in functions of the object `program` (a file name); those of the functions that they call in other objects are not among them."""
    total, names, ours, call = 0, {}, False, False
    for line in profile.splitlines():
        if line.startswith(("ob=", "cob=")):  # the name stands where its number comes first: at an object, or at one that is called
            number, _, name = line.partition("=")[2].partition(" ")
            if name:
                names[number] = pathlib.Path(name).name
            if line.startswith("ob="):
                ours = names[number] == program
        elif line.startswith("calls="):
            call = True  # the next line is what the called function cost: that is counted there
        elif re.match(r"[+\-*\d]", line):
            if ours and not call:
                total += int(line.split()[1])
            call = False
    return total
