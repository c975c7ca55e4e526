r"""LaTeX commands that begin like an escape of JSON: `\nabla`, `\theta`."""

from __future__ import annotations

import re


_NAMES = """
    nLeftarrow nLeftrightarrow nRightarrow nVdash nabla natural ncong nearrow neg neq newcommand
    newenvironment newline newpage nexists ngeq ngtr nleftarrow nleftrightarrow nleq nless nmid
    noindent nolimits nonumber normalsize not notag notin nparallel nprec nrightarrow nsim
    nsubseteq nsucc nsupseteq nvdash nwarrow tableofcontents tag tan tanh tau text textbf
    textcolor textit textrm textsc textsf textstyle texttt tfrac theta therefore tilde times
    tiny title top toprule triangle triangleq
"""
_COMMANDS = frozenset(_NAMES.split())
# These leave a word of some language when their first letter is a line break or a tab, so
# the character behind them decides.
_SHORT = frozenset(["ne", "ni", "nu", "to"])
_AFTER_SHORT = frozenset("$_^\\(={")
_FORMULA = re.compile(r"[ \t{(=+^_&\[]$|\\[(\[]")
_LETTERS = re.compile(r"[A-Za-z]*")


def is_command(text: str, *, whole: bool) -> bool | None:
    """
    Whether `text`, which begins with a backslash, begins with such a command.

    Returns:
        None when more of the text is needed to tell, and it is not `whole`.
    """
    found = _LETTERS.match(text, 1)
    word = found[0] if found else ""
    after = text[1 + len(word) : 2 + len(word)]
    if not after and not whole:
        begun = any(name.startswith(word) for name in _COMMANDS | _SHORT)
        return None if begun else False
    if word in _SHORT:
        return after in _AFTER_SHORT
    return word in _COMMANDS


def may_be_formula(before: str) -> bool:
    """Whether what follows `before` may be within a formula, or begin one."""
    return before.count("$") % 2 == 1 or _FORMULA.search(before) is not None
