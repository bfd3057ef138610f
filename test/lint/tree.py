# SPDX-License-Identifier: MIT
"""What the lints share: the project's files, C text without comments, TAP output."""
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def files(*endings):
    """Paths from the root, of tracked files and of new ones that are not ignored."""
    try:
        text = subprocess.run(['git', 'ls-files', '-co', '--exclude-standard'], cwd=ROOT,
                              capture_output=True, text=True, check=True).stdout
        found = text.splitlines()
    except (OSError, subprocess.CalledProcessError):
        found = [os.path.relpath(os.path.join(top, name), ROOT)
                 for top, folders, names in os.walk(ROOT)
                 if not os.path.relpath(top, ROOT).startswith(('.git', 'build'))
                 for name in names]
    found = [f for f in found if not endings or f.endswith(endings)]
    return sorted(f for f in set(found) if os.path.isfile(os.path.join(ROOT, f)))


def read(path):
    with open(os.path.join(ROOT, path), errors='replace') as file:
        return file.read()


def without_comments(text):
    """The same lines, with C comments blanked."""
    return re.sub(r'/\*.*?\*/|//[^\n]*', lambda m: re.sub(r'[^\n]', ' ', m.group(0)), text,
                  flags=re.S)


class Tap:
    def __init__(self):
        self.number = 0
        self.bad = 0

    def result(self, name, complaints, notes=()):
        self.number += 1
        for line in list(notes) + list(complaints):
            print('# ' + line)
        self.bad += bool(complaints)
        print('%s %d - %s' % ('not ok' if complaints else 'ok', self.number, name))

    def skip(self, name, reason):
        self.number += 1
        print('ok %d - %s # SKIP %s' % (self.number, name, reason))

    def end(self):
        print('1..%d' % self.number)
        sys.exit(1 if self.bad else 0)
