#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Each check of tools/tidy finds what it is for, in a small tree made for it."""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HEAD = "/* SPDX-License-Identifier: Apache-2.0 */\n"


def function(lines):
    return "void f(void)\n{\n" + "    ;\n" * (lines - 2) + "}\n"


class TidyTest(unittest.TestCase):
    def setUp(self):
        self.tree = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.tree)
        os.mkdir(os.path.join(self.tree, "tools"))
        for name in ("tidy", "floors.txt"):
            shutil.copy(os.path.join(TOP, "tools", name), os.path.join(self.tree, "tools"))

    def put(self, path, text):
        path = os.path.join(self.tree, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)

    def run_tidy(self, *args):
        r = subprocess.run([sys.executable, os.path.join(self.tree, "tools/tidy"), *args],
                           capture_output=True, text=True, check=False)
        return r.returncode, r.stdout + r.stderr

    def finds(self, path, text, want):
        self.put(path, text)
        rc, out = self.run_tidy()
        self.assertEqual(rc, 1, out)
        self.assertIn(want, out)

    def passes(self, path, text):
        self.put(path, text)
        rc, out = self.run_tidy()
        self.assertEqual(rc, 0, out)

    def test_sound_file_passes(self):
        self.passes("src/wal/a.c", HEAD + '#include "base/err.h"\n#include "wal/a_int.h"\n'
                    '/* malloc(1) in words */\nconst char *t = "free(x)";\n' + function(70))

    def test_include_of_a_higher_floor(self):
        self.finds("src/base/a.c", HEAD + '#include "wal/segment.h"\n', "includes wal/segment.h")

    def test_include_of_a_sibling(self):
        self.finds("src/querier/a.c", HEAD + '#include "ingester/ingester.h"\n', "floor 4")

    def test_foreign_private_header(self):
        self.finds("src/store/a.c", HEAD + '#include "chunk/chunk_int.h"\n', "private")

    def test_third_party_header_elsewhere(self):
        self.finds("src/wal/a.c", HEAD + "#include <uv.h>\n", "<uv.h> is for")

    def test_same_name_twice(self):
        self.put("src/wal/a.c", HEAD)
        self.finds("src/chunk/a.c", HEAD, "same file name")

    def test_lengths(self):
        self.finds("src/wal/a.c", HEAD + function(71), "function of 71 lines")
        self.finds("src/wal/a.c", HEAD + "\n" * 1200, "1201 lines")
        self.finds("src/wal/a.c", HEAD + "int " + "a" * 97 + ";\n", "102 columns")

    def test_banned_functions(self):
        self.finds("src/wal/a.c", HEAD + "x = malloc(1);\n", "malloc() is banned")
        self.finds("tests/unit/wal/a.c", HEAD + "strcpy(a, b);\n", "strcpy() is banned")

    def test_members_and_longer_names_are_not_banned(self):
        self.passes("src/wal/a.c", HEAD + "vfs->rename(a);\nsk_free(a);\n")

    def test_blanks_notes_and_licence(self):
        self.finds("src/wal/a.c", HEAD + "\tint a;\n", "tab")
        self.finds("src/wal/a.c", HEAD + "int a; \n", "trailing blank")
        self.finds("src/wal/a.c", HEAD + "/* TO" + "DO: later */\n", "without a name")
        self.finds("src/wal/a.c", "int a;\n", "SPDX")

    def test_exceptions_only_shrink(self):
        self.put("src/wal/a.c", HEAD + function(80))
        self.put("tools/tidy.allow", "function src/wal/a.c f 80 # to be shortened\n")
        self.assertEqual(self.run_tidy()[0], 0)
        self.finds("src/wal/a.c", HEAD + function(79), "may shrink")
        self.finds("src/wal/a.c", HEAD + function(81), "has grown")
        self.finds("src/wal/a.c", HEAD + function(70), "not needed any more")

    def test_printed_exceptions_silence_the_lengths(self):
        self.put("src/wal/a.c", HEAD + function(80) + "int " + "a" * 97 + ";\n")
        _, allow = self.run_tidy("--print-allow")
        self.put("tools/tidy.allow", allow)
        rc, out = self.run_tidy()
        self.assertEqual(rc, 0, out)


if __name__ == "__main__":
    unittest.main()
