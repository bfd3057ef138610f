#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares what two strace-like logs of one build say of execs, opens and exits.

With make -j2 the order between processes is luck, so the sequence is compared for each
process, and processes are matched by what they did: the program they ran and all they
opened, in order. Numbers that differ from run to run (pids, addresses, names of temporary
files) are made alike.
"""
import collections
import re
import sys

CALL = re.compile(r"^(?P<pid>\d+) +(?P<rest>.*)$")
START = re.compile(r"^(execve|open|openat|creat)\(")
RESUMED = re.compile(r"^<\.\.\. (\w+) resumed>(.*)$")


def normal(text):
    text = re.sub(r"/tmp/cc\w{6}", "/tmp/ccXXXXXX", text)
    text = re.sub(r"0x[0-9a-f]+ /\* \d+ vars \*/", "ENV", text)
    text = re.sub(r"\b(st|co|sh-thd[.-]|tmp)[0-9A-Za-z]{6,}", r"\1X", text)
    text = re.sub(r"/proc/\d+", "/proc/N", text)
    text = re.sub(r"\b[a-zA-Z]*\d{4,}[a-zA-Z]*\b", "N", text)
    text = re.sub(r"= \d+$", "= FD", text)
    return re.sub(r"\s+", " ", text).strip()


def read(path):
    tasks = collections.defaultdict(list)
    ended = []  # a pid can be used again
    pending = {}
    for line in open(path, errors="replace"):
        m = CALL.match(line.rstrip("\n"))
        if not m:
            continue
        pid, rest = m["pid"], m["rest"]
        resumed = RESUMED.match(rest)
        if resumed:
            begun = pending.pop((pid, resumed[1]), None)
            if begun is None:
                continue
            rest = begun + resumed[2]
        elif rest.endswith("<unfinished ...>"):
            name = rest.split("(", 1)[0]
            if START.match(rest):
                pending[pid, name] = rest[: -len("<unfinished ...>")].rstrip()
            continue
        if START.match(rest) or rest.startswith("+++ "):
            tasks[pid].append(normal(rest))
        if rest.startswith("+++ "):
            ended.append(tasks.pop(pid))
    ended.extend(tasks.values())
    return collections.Counter(tuple(events) for events in ended if events)


def main():
    ours, theirs = read(sys.argv[1]), read(sys.argv[2])
    events = sum(len(k) * n for k, n in ours.items())
    execs = sum(n * sum(e.startswith("execve") for e in k) for k, n in ours.items())
    print(f"cotrace: {sum(ours.values())} tasks, {execs} execs, {events} execs, opens and exits")
    print(f"strace:  {sum(theirs.values())} tasks")
    if ours == theirs:
        print("the logs agree")
        return 0
    for name, only in (("cotrace", ours - theirs), ("strace", theirs - ours)):
        for sequence, n in list(only.items())[:5]:
            print(f"only in {name}'s ({n} times):")
            for event in sequence[:8]:
                print("   ", event[:150])
    print(f"{sum((ours - theirs).values())} tasks differ")
    return 1


sys.exit(main())
