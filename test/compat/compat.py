# SPDX-License-Identifier: MIT
"""Runs a tool natively and under a wrapper, and finds what differs.

The wrapper is "BUILD/cli/cotrace run --", or the words of COTRACE_RUN: "env" compares the tool
with itself, which shows whether a comparison is stable. COTRACE_COMPAT_ROUNDS says how often;
in a campaign (COTRACE_TEST_LONG) it is fifty times. All rounds are made, whatever comes of one.
"""
import contextlib
import difflib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import uuid

BUILD = os.path.abspath(sys.argv[1])
TARGETS = os.path.join(BUILD, 'test', 'targets')
COTRACE = os.path.join(BUILD, 'cli', 'cotrace')
SCALE = float(os.environ.get('COTRACE_TEST_SCALE', '1'))
LONG = 'COTRACE_TEST_LONG' in os.environ
ROUNDS = int(os.environ.get('COTRACE_COMPAT_ROUNDS', 50 if LONG else 1))
WRAPPER = os.environ['COTRACE_RUN'].split() if 'COTRACE_RUN' in os.environ else [COTRACE, 'run', '--']
NATIVE = []
SHOW = 'COTRACE_COMPAT_SHOW' in os.environ  # what is compared, too
MARK = 'COTRACE_COMPAT_MARK'
os.environ.setdefault('COTRACE_ENGINE', os.path.join(BUILD, 'daemon', 'cotrace-engine'))
os.environ.setdefault('COTRACE_PRELOAD', os.path.join(BUILD, 'compat', 'preload', 'cotrace-preload.so'))
os.environ['COTRACE_BUILD'] = BUILD
os.environ['LC_ALL'] = 'C'
os.environ.pop('DEBUGINFOD_URLS', None)
TESTS = []
SHOWN_MAX = 3  # failures of a test that are shown whole


class Rounds:
    """What has come of those of a test."""
    good, bad = 0, []


class Skip(Exception):
    pass


class Failure(Exception):
    """What is said is all there is to say."""


def test(function):
    TESTS.append(function)
    return function


def needs(*programs):
    for program in programs:
        if not shutil.which(program):
            raise Skip('%s is not installed' % program)


def target(name):
    path = os.path.join(TARGETS, name)
    if not os.path.exists(path):
        raise Skip('%s was not built' % name)
    return path


def soon(condition, what, seconds=20):
    until = time.monotonic() + seconds * SCALE
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > until:
            raise Failure('not in time: ' + what)
        time.sleep(0.01)


def read(path, mode='r'):
    try:
        with open(path, mode, **({} if 'b' in mode else {'errors': 'replace'})) as file:
            return file.read()
    except OSError:
        return b'' if 'b' in mode else ''


def status_of(pid, key):
    match = re.search(r'^%s:\s*(.*)' % key, read('/proc/%d/status' % pid), re.M)
    return match.group(1) if match else ''


def is_alive(pid):
    return status_of(pid, 'State')[:1] not in ('', 'Z', 'X')


def numbers_in(folder):
    with contextlib.suppress(OSError):
        return sorted(int(name) for name in os.listdir(folder) if name.isdigit())
    return []


def tasks_of(pid):
    return numbers_in('/proc/%d/task' % pid)


def session_of(pid):
    rest = read('/proc/%d/stat' % pid).rpartition(')')[2].split()
    return int(rest[3]) if len(rest) > 3 else 0


def describe(pid):
    """One line for the process, one for each of its tasks."""
    command = read('/proc/%d/cmdline' % pid).replace('\0', ' ').strip()
    lines = ['%d, child of %s: %s' % (pid, status_of(pid, 'PPid'), command[:150])]
    for tid in tasks_of(pid):
        base = '/proc/%d/task/%d/' % (pid, tid)
        lines.append('  %d %s: %s, tracer %s, in %s, at %s, pending %s %s' % (
            tid, status_of(tid, 'Name'), status_of(tid, 'State'), status_of(tid, 'TracerPid'),
            ' '.join(read(base + 'syscall').split()[:4]), read(base + 'wchan'),
            status_of(tid, 'SigPnd'), status_of(tid, 'ShdPnd')))
    return lines


class Result:
    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err

    def __str__(self):
        return 'status %s\n-- out\n%s\n-- err\n%s' % (self.status, self.out, self.err)


class Tool:
    """A tool under a wrapper, in a session of its own, with its output in files."""

    def __init__(self, wrapper, *command, seconds=60, **more):
        self.mark = uuid.uuid4().hex
        self.folder = tempfile.mkdtemp(prefix='cotrace-compat-')
        self.limit = seconds * SCALE
        self.command = list(wrapper) + list(command)
        env = dict(os.environ, **{MARK: self.mark}, **more.pop('env', {}))
        self.out, self.err = (os.path.join(self.folder, name) for name in ('out', 'err'))
        with open(self.out, 'wb') as out, open(self.err, 'wb') as err:
            self.process = subprocess.Popen(
                self.command, stdin=more.pop('stdin', subprocess.DEVNULL), stdout=out, stderr=err,
                start_new_session=True, env=env, cwd=more.pop('cwd', self.folder), **more)
        self.pid = self.process.pid

    def said(self):
        return read(self.out) + read(self.err)

    def says(self, pattern, seconds=30):
        """Waits until its output has it."""
        try:
            soon(lambda: re.search(pattern, self.said(), re.M) or
                 self.process.poll() is not None, 'it says ' + pattern, seconds)
        except Failure as failure:
            raise Failure('%s\n%s\n%s' % (failure, self.report(), self.said()))

    def interrupt(self, signo=signal.SIGINT):
        """As a terminal does it: the whole group is told."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signo)

    def ours(self):
        """What it started, wherever that went: it has the mark, or is in the session."""
        mark = ('%s=%s' % (MARK, self.mark)).encode()
        return [pid for pid in numbers_in('/proc')
                if pid != os.getpid() and is_alive(pid) and
                (session_of(pid) == self.pid or
                 mark in read('/proc/%d/environ' % pid, 'rb').split(b'\0'))]

    def left(self):
        """An engine and its keeper stay as long as another session needs them."""
        return [pid for pid in self.ours()
                if status_of(pid, 'Name') not in ('cotrace-engine', 'cotrace-keeper')]

    def report(self):
        return '\n'.join(line for pid in self.ours() for line in describe(pid))

    def finish(self):
        """Its end, and that of all that it started."""
        try:
            self.process.wait(self.limit)
        except subprocess.TimeoutExpired:
            text = self.report()
            self.clear()
            raise Failure('HANG: %s\n%s\n-- said\n%s' % (
                ' '.join(self.command), text, self.said()[-6000:]))
        try:
            soon(lambda: not self.left(), 'all that it started has ended', 10)
        except Failure:
            text = self.report()
            self.clear()
            raise Failure('LEFT BEHIND by %s\n%s\n-- said\n%s' % (
                ' '.join(self.command), text, self.said()[-3000:]))
        result = Result(self.process.returncode, read(self.out), read(self.err))
        shutil.rmtree(self.folder, ignore_errors=True)
        return result

    def clear(self):
        """Kills what it started, and nothing else, until there is nothing left."""
        for _ in range(50):
            left = self.ours()
            if not left:
                break
            for pid in left:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        return self.said()


def run(wrapper, *command, **more):
    return Tool(wrapper, *command, **more).finish()


class Target:
    """A program of test/targets that says "ready", and goes on when its input ends."""

    def __init__(self, *command):
        self.folder = tempfile.mkdtemp(prefix='cotrace-compat-')
        self.out = os.path.join(self.folder, 'out')
        with open(self.out, 'wb') as out:
            self.process = subprocess.Popen([target(command[0]), *command[1:]],
                                            stdin=subprocess.PIPE, stdout=out, stderr=out)
        self.pid = self.process.pid
        soon(lambda: 'ready\n' in read(self.out), 'the target is ready')

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def tell(self, order):
        self.process.stdin.write(order)
        self.process.stdin.flush()

    def says(self, pattern, about=lambda: ''):
        try:
            soon(lambda: re.search(pattern, read(self.out), re.M), 'the target says ' + pattern)
        except Failure as failure:
            raise Failure('%s; it said %r\n%s\n%s' % (
                failure, read(self.out), '\n'.join(describe(self.pid)), about()))

    def ends_well(self, expected):
        """Nothing of it is stopped, traced or lost."""
        self.process.stdin.close()
        try:
            status = self.process.wait(20 * SCALE)
        except subprocess.TimeoutExpired:
            raise Failure('the target does not end\n' + '\n'.join(describe(self.pid)))
        text = read(self.out)
        if status != 0 or text != expected:
            raise Failure('the target ended with %d and said %r' % (status, text))


def normal(text):
    """Addresses, times and pids are not the same twice."""
    text = re.sub(r'0x[0-9a-f]{3,}', 'ADDR', text)
    text = re.sub(r'\b[0-9a-f]{12,16}\b', 'ADDR', text)
    text = re.sub(r'\b\d+\.\d+\b', 'TIME', text)
    text = re.sub(r'cotrace-compat-\w+', 'FOLDER', text)
    return re.sub(r'\b[1-9]\d{2,6}\b', 'NUM', text)


def as_lines(result, normalise):
    return ['status %s' % result.status] + ['out: ' + l for l in normalise(result.out).splitlines()] + \
        ['err: ' + l for l in normalise(result.err).splitlines()]


def same(case, normalise=normal, rounds=None):
    """case(wrapper) gives a Result; it must be the same natively and under the wrapper."""
    expected = as_lines(case(NATIVE), normalise)
    if SHOW:
        print('\n'.join('# ' + line for line in expected))
    for number in range(rounds or ROUNDS):
        try:
            got = as_lines(case(WRAPPER), normalise)
            if got != expected:
                # Only what differs from itself too is no difference.
                expected = as_lines(case(NATIVE), normalise)
            if got != expected:
                diff = difflib.unified_diff(expected, got, 'natively', 'wrapped', n=3, lineterm='')
                raise Failure('\n'.join(list(diff)[:200]))
            Rounds.good += 1
        except Failure as failure:
            Rounds.bad.append('round %d\n%s' % (number + 1, failure))


def counted():
    """How often it was the same, when that was asked more than once."""
    total = Rounds.good + len(Rounds.bad)
    return ' (%d of %d)' % (Rounds.good, total) if total > 1 else ''


def still_differ():
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'open')) as file:
        return {line.strip() for line in file if not line.startswith('#')}


def main():
    names = sys.argv[2:]
    tests = [t for t in TESTS if not names or t.__name__ in names]
    failed, differ = 0, still_differ()
    print('1..%d' % len(tests))
    for number, function in enumerate(tests, 1):
        started = time.monotonic()
        word, why = 'ok', ''
        Rounds.good, Rounds.bad = 0, []
        try:
            if 'COTRACE_RUN' not in os.environ and not os.path.exists(COTRACE):
                raise Skip('there is no cotrace')
            if 'COTRACE_TEST_SANITIZED' in os.environ:
                raise Skip('sanitizers have not been tried')
            if not names and 'COTRACE_RUN' not in os.environ and \
                    function.__name__.replace('static_', '', 1) in differ:
                raise Skip('differs still: issue 4')
            function()
            if Rounds.bad:
                raise Failure('\n'.join(Rounds.bad[:SHOWN_MAX]))
        except Skip as reason:
            why = ' # SKIP %s' % reason
        except Exception as error:  # whatever it was, the next test runs
            failed += 1
            word = 'not ok'
            text = str(error) if isinstance(error, Failure) else traceback.format_exc()
            for line in text.splitlines():
                print('# ' + line[:1000])
        print('# %.1f s' % (time.monotonic() - started))
        print('%s %d - %s%s%s' % (word, number, function.__name__, counted(), why), flush=True)
    return 1 if failed else 0
