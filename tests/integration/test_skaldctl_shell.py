#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""skaldctl's completion in the shells that are there, its manual page, and what is installed.

Usage: test_skaldctl_shell.py PATH_OF_SKALDCTL
"""
import os
import re
import shutil
import subprocess
import tempfile
import unittest

import ctltest
from ctltest import environment


def ctl(*args):
    p = subprocess.run([ctltest.PROGRAM, *args], capture_output=True, text=True, timeout=60,
                       env=environment())
    assert (p.returncode, p.stderr) == (0, ""), p
    return p.stdout


def words(*args):
    return ctl("--completion-bash", *args).split()


class Words(unittest.TestCase):
    def test_commands(self):
        for args in ([], [""], ["-q", ""], ["--addr", "x", ""], ["--limit"[:0]]):
            self.assertIn("query", words(*args))
            self.assertIn("volume_range", words(*args))
            self.assertEqual(words(*args).count("delete"), 1)
        self.assertEqual(words("delete", ""), ["create", "list", "cancel"])
        self.assertEqual(words("query", ""), [])

    def test_flags(self):
        self.assertIn("--addr", words("--"))
        self.assertNotIn("--limit", words("--"))
        self.assertIn("--limit", words("query", "--"))
        self.assertIn("--request-id", words("delete", "cancel", "--"))
        self.assertNotIn("--request-id", words("delete", "create", "--"))
        self.assertIn("--parallel-max-workers", words("query", "{}", "-o", "raw", "--par"))

    def test_values(self):
        self.assertEqual(words("-o", ""), ["default", "raw", "jsonl"])
        self.assertEqual(words("labels", "--timezone", "U"), ["Local", "UTC"])
        self.assertEqual(words("--addr", ""), [])
        self.assertEqual(words("--addr", "--"), [])


class Shells(unittest.TestCase):
    """The scripts are read by the shells themselves, as far as they are installed."""

    def shell(self, name, script):
        if shutil.which(name) is None:
            self.skipTest(name + " is not installed")
        with tempfile.TemporaryDirectory() as folder:
            os.symlink(ctltest.PROGRAM, os.path.join(folder, "skaldctl"))
            env = environment()
            env.update(PATH=folder + ":" + env["PATH"], HOME=folder, ZDOTDIR=folder)
            quiet = {"zsh": ["-f"], "bash": ["--norc"], "fish": ["--no-config"]}[name]
            p = subprocess.run([name, *quiet, "-c", script], capture_output=True, text=True,
                               timeout=60, env=env)
        self.assertEqual((p.returncode, p.stderr), (0, ""))
        return p.stdout.split()

    def test_bash(self):
        out = self.shell("bash", """
            eval "$(skaldctl --completion-script-bash)"
            COMP_WORDS=(skaldctl query --para) COMP_CWORD=2
            _skaldctl_bash_autocomplete
            echo "${COMPREPLY[@]}"
            COMP_WORDS=(skaldctl vol) COMP_CWORD=1
            _skaldctl_bash_autocomplete
            echo "${COMPREPLY[@]}"
            complete -p skaldctl""")
        self.assertEqual(out[:4], ["--parallel-duration", "--parallel-max-workers", "volume",
                                   "volume_range"])
        self.assertEqual(out[-1], "skaldctl")

    def test_zsh(self):
        out = self.shell("zsh", """
            compadd() { shift; print -l -- ${(P)1}; compstate[nmatches]=1 }
            typeset -A compstate
            compdef() { print defined $* }
            eval "$(skaldctl --completion-script-zsh)"
            words=(skaldctl delete '') CURRENT=3
            _skaldctl""")
        self.assertEqual(out, ["defined", "_skaldctl", "skaldctl", "create", "list", "cancel"])

    def test_fish(self):
        out = self.shell("fish", """
            skaldctl --completion-script-fish | source
            complete -C 'skaldctl detected'
            complete -C 'skaldctl delete '
            complete -C 'skaldctl series --anal'""")
        self.assertEqual(out[0], "detected-fields")
        self.assertEqual(set(out[1:4]), {"create", "list", "cancel"})
        self.assertIn("--analyze-labels", out)


class Manual(unittest.TestCase):
    def check(self, page):
        self.assertTrue(page.startswith(".TH "))
        for section in ("NAME", "SYNOPSIS", "DESCRIPTION", "EXIT STATUS", "SEE ALSO"):
            self.assertIn("\n.SH %s\n" % section, page)
        if shutil.which("groff") is None:
            return ""
        p = subprocess.run(["groff", "-ww", "-Wbreak", "-man", "-Tascii", "-P-c"], input=page.encode(),
                           capture_output=True, timeout=60)
        self.assertEqual((p.returncode, p.stderr), (0, b""))
        return re.sub(".\b", "", p.stdout.decode())

    def test_all_flags_are_in_the_page(self):
        page = ctl("--help-man")
        text = self.check(page)
        for flag in re.findall(r"--[a-z][A-Za-z.-]+", ctl("--help-long")):
            self.assertIn(flag.replace("-", "\\-"), page)
            if text:
                self.assertIn(flag, text)
        for command in words(""):
            self.assertRegex(page, r'\n\.SS "%s[ "]' % command.replace("-", r"\\-"))

    def test_the_server_has_one_too(self):
        build = os.path.dirname(ctltest.PROGRAM)
        skald = os.path.join(build, "skald")
        awk = os.path.join(os.path.dirname(ctltest.GOLDEN), "..", "..", "..", "cmake", "manual.awk")
        if not os.path.exists(skald):
            self.skipTest("skald is not built")
        usage = subprocess.run([skald, "-help"], capture_output=True, timeout=60).stdout
        page = subprocess.run(["awk", "-v", "version=0", "-f", awk], input=usage,
                              capture_output=True, timeout=60).stdout.decode()
        self.check(page)
        self.assertEqual(page.count("\n.TP\n"), usage.count(b"\n  -"))
        self.assertIn("\\fB\\-config.file\\fR \\fIlist,\\fR\n", page)


if __name__ == "__main__":
    ctltest.main()
