# SPDX-License-Identifier: MIT
"""What the runners of other projects' test suites share: each part of a suite is run natively
and under "cotrace run" (or the words of COTRACE_RUN), and compared test by test.

usage: RUNNER BUILD [PART]... [N/M]     N/M: the Nth of M shares of the parts

Sources and what is built of them stay in COTRACE_PEERS (/var/tmp/cotrace-peers), and so do the
native results, which are not asked for again unless COTRACE_PEERS_AGAIN is set.
"""
import collections
import json
import os
import re
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), 'compat'))

import compat  # noqa: E402

STORE = os.environ.get('COTRACE_PEERS', '/var/tmp/cotrace-peers')
GOOD = {'PASS', 'OK', 'XFAIL', 'KFAIL'}
BAD = {'FAIL', 'ERROR', 'HANG', 'UNRESOLVED', 'XPASS', 'KPASS'}
END = '(end)'


def say(*words):
    print(*words, flush=True)


def make(*command, cwd, log):
    """One step of a build; what it says is shown when it fails."""
    with open(os.path.join(STORE, log), 'ab') as out:
        if subprocess.run(command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=out,
                          stderr=subprocess.STDOUT).returncode:
            sys.exit('%s failed: see %s' % (' '.join(command), out.name))


def install():
    """What only this runner needs; what is missing is said by the script."""
    if subprocess.run([os.path.join(HERE, '..', '..', 'tools', 'bootstrap'),
                       os.path.basename(sys.argv[0])]).returncode:
        sys.exit(1)


def folder(*names):
    path = os.path.join(STORE, *names)
    os.makedirs(path, exist_ok=True)
    return path


def apt(kind, suite):
    """apt-get with a source list of its own; kind: "deb" or "deb-src"."""
    folder('lists', kind, suite, 'partial')
    lists = folder('lists', kind, suite)
    sources = '%s-%s.list' % (lists, suite)
    fresh = os.path.exists(sources)
    with open(sources, 'w') as file:
        file.write('%s http://deb.debian.org/debian %s main\n' % (kind, suite))
    command = ['apt-get', '-qq', '-o', 'Dir::Etc::sourcelist=' + sources, '-o',
               'Dir::Etc::sourceparts=/nonexistent', '-o', 'Dir::State::lists=' + lists, '-o',
               'APT::Sandbox::User=root']
    if not fresh:
        make(*command, 'update', cwd=lists, log='apt.log')
    return command


def debian(package):
    """The file that Debian has as the source of the package."""
    where = folder('archives')
    with open('/etc/os-release') as file:
        release = dict(line.strip().split('=', 1) for line in file if '=' in line)
    make(*apt('deb-src', release.get('VERSION_CODENAME', 'stable')), 'source', '--download-only',
         package, cwd=where, log='apt.log')
    return os.path.join(where, next(name for name in sorted(os.listdir(where))
                                    if re.match(package + r'_.*\.orig\.tar\.\w+$', name)))


def unpack(archive, name, *members):
    """Unpacked in the store, once."""
    path = os.path.join(STORE, name)
    if not os.path.exists(path):
        os.makedirs(path + '.part', exist_ok=True)
        make('tar', '-C', path + '.part', '--strip-components=1', '-xf', archive,
             *(['--wildcards', *members] if members else []), cwd=STORE, log='tar.log')
        os.rename(path + '.part', path)
    return path


def finished(wrapper, *command, **more):
    """Its result, or None: it hung."""
    try:
        return compat.run(wrapper, *command, **more)
    except compat.Failure as failure:
        if 'HANG' not in str(failure) and 'LEFT BEHIND' not in str(failure):
            raise
        for line in str(failure).splitlines()[:40]:
            say('#  ', line[:200])
        return None


def numbered(pairs):
    """Verdicts by name; the same name twice is told apart."""
    seen, verdicts = collections.Counter(), {}
    for name, verdict in pairs:
        seen[name] += 1
        verdicts[name if seen[name] == 1 else '%s (%d)' % (name, seen[name])] = verdict
    return verdicts


def differences(native, under):
    def differs(name):
        before, after = native.get(name), under.get(name)
        return before in GOOD and after not in GOOD or after in BAD and before not in BAD
    return sorted(name for name in {**native, **under} if differs(name))


def still_open(suite):
    """Parts that are known to differ: they run when they are named."""
    with open(os.path.join(HERE, 'open')) as file:
        words = [line.split() for line in file if line.strip() and not line.startswith('#')]
    return {name for kind, name in words if kind == suite}


class Natively:
    """What was found natively on this kernel."""

    def __init__(self, suite, once):
        self.path = os.path.join(folder('natively'), '%s-%s' % (suite, os.uname().release))
        self.once = once
        self.found = {}
        if os.path.exists(self.path) and 'COTRACE_PEERS_AGAIN' not in os.environ:
            with open(self.path) as file:
                self.found = json.load(file)

    def get(self, part):
        return self.found[part] if part in self.found else self.again(part)

    def again(self, part):
        self.found[part] = self.once(compat.NATIVE, part)
        with open(self.path, 'w') as file:
            json.dump(self.found, file, indent=0)
        return self.found[part]


def chosen(parts, known):
    words = sys.argv[2:]
    share = [tuple(map(int, word.split('/'))) for word in words if re.fullmatch(r'\d+/\d+', word)]
    names = [word for word in words if not re.fullmatch(r'\d+/\d+', word)]
    unknown = [name for name in names if name not in parts]
    if unknown:
        sys.exit('there is no ' + ', '.join(unknown))
    parts = names or [part for part in parts if part not in known]
    return parts[share[0][0] - 1::share[0][1]] if share else parts


def main(suite, parts, once):
    """once(wrapper, part) gives the verdicts of the tests of that part, by name."""
    known, counts = still_open(suite), collections.Counter()
    natively = Natively(suite, once)
    for part in chosen(parts, known):
        started = time.monotonic()
        native = natively.get(part)
        counts['natively'] += sum(v in GOOD for v in native.values())
        if native.get(END) == 'HANG':
            say('skip', part, 'it hangs natively')
            continue
        under = once(compat.WRAPPER, part)
        differ = differences(native, under)
        if differ and under.get(END) != 'HANG':
            # What differs from itself too is no difference.
            native, under = natively.again(part), once(compat.WRAPPER, part)
            differ = [name for name in differences(native, under) if name in differ]
        counts['under'] += sum(v in GOOD for v in under.values())
        word = 'DIFFERS' if differ else 'ok'
        counts[word] += 1
        say(word, part, '(%d natively, %d under cotrace run, %.1f s)' % (
            sum(v in GOOD for v in native.values()), sum(v in GOOD for v in under.values()),
            time.monotonic() - started))
        for name in differ:
            say('   ', name + ':', native.get(name, 'absent'), '->', under.get(name, 'absent'))
    say('%s: %d tests pass natively, %d under cotrace run; %d parts that differ are named in open' % (
        suite, counts['natively'], counts['under'], len(known)))
    say('%d passed, %d failed' % (counts['ok'], counts['DIFFERS']))
    return 1 if counts['DIFFERS'] else 0
