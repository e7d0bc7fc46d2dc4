#!/usr/bin/env python3
"""Protocol code makes no system call: the symbols that its archives import are checked with nm.

usage: sans_io_test.py --pure ARCHIVE... --impure ARCHIVE...
The impure archives are the positive twin: the check must find system calls in them.
"""
import argparse
import subprocess
import sys

FORBIDDEN = set(
    """read write readv writev pread pwrite open open64 openat close ioctl fcntl socket bind listen accept accept4 connect send sendto sendmsg
    recv recvfrom recvmsg poll ppoll select epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2 eventfd signalfd timerfd_create
    timerfd_settime clock_gettime gettimeofday time nanosleep clock_nanosleep usleep sleep getrandom getentropy rand random srand arc4random
    pthread_create pthread_mutex_lock pthread_cond_wait fork execve kill raise fopen fopen64 fread fwrite fputs fputc printf fprintf puts
    putchar syscall mmap munmap getenv setenv""".split()
)
# std::chrono's clocks, std::random_device and std::thread, as the C++ ABI names them.
FORBIDDEN_PREFIXES = ("_ZNSt6chrono3_V212", "_ZNSt13random_device", "_ZNSt6thread", "_ZNSt5mutex", "_ZSt4cout", "_ZSt4cerr", "_ZSt4clog", "_ZNSt14basic_ofstream", "_ZNSt14basic_ifstream")


def imported(archive):
    lines = subprocess.run(["nm", "--undefined-only", archive], check=True, capture_output=True, text=True).stdout.splitlines()
    return {words[-1].split("@")[0] for words in (line.split() for line in lines) if len(words) >= 2 and words[-2] == "U"}


def system_calls(archive):
    return sorted(name for name in imported(archive) if name in FORBIDDEN or name.startswith(FORBIDDEN_PREFIXES))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--pure", nargs="+", required=True)
    parser.add_argument("--impure", nargs="+", required=True)
    arguments = parser.parse_args()
    failed = False
    for archive in arguments.pure:
        if not imported(archive):
            print(f"{archive}: nm shows no imported symbol at all; the check sees nothing")
            failed = True
        found = system_calls(archive)
        print(f"{archive}: {', '.join(found) if found else 'no system call'}")
        failed = failed or bool(found)
    for archive in arguments.impure:
        if not system_calls(archive):
            print(f"{archive}: makes system calls, yet the check finds none")
            failed = True
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
