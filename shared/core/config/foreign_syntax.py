"""Finds wildcards of other tools in values that are no blob pattern.

There `*` and the like would be taken for text, and name something that does not exist.
"""

import re
from typing import Final

from shared.core.config.problems import WrongValueError

_CURE: Final = (
    "write {name}, a token that data.blob captures; a token is a name of letters, digits and _"
)
_FORMS: Final = (
    (re.compile(r"\$\{"), "app settings are not put in here", "write the text itself"),
    (re.compile(r"@\{|@[a-z]+\(", re.IGNORECASE), "expressions are not known here", ""),
    (re.compile(r"\(\.[*+]\)|\.[*+]|\\[dwsDWS]"), "regular expressions are not known here", ""),
    (re.compile(r"\*"), "* stands for itself here", ""),
    (re.compile(r"<[^<>/]+>"), "holds a placeholder in <>", "replace it by the value of your own"),
)
#: A percent sign that encodes nothing, in a URL; `%NAME%` anywhere else.
_SETTING_IN_URL: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_SETTING: Final = re.compile(r"%[A-Za-z_][A-Za-z0-9_]*%")
_NO_SETTING: Final = "%NAME% is not replaced by a setting here"


def refuse_foreign(text: str, *, url: bool = False, tokens: bool = True) -> None:
    """Refuse a text in which a part is written to vary, unless that is a `{token}`.

    Args:
        text: a URL's path, or a name that may hold tokens.
        url: whether it is a URL's path, where `%20` stands for a blank.
        tokens: whether a token may stand there.

    Raises:
        ValueError: it says what to write.
    """
    usual = _CURE if tokens else "write it out"
    for form, what, cure in _FORMS:
        if form.search(text):
            raise WrongValueError(what, cure or usual)
    if (_SETTING_IN_URL if url else _SETTING).search(text):
        raise WrongValueError(_NO_SETTING, usual)
    if tokens and re.search(r"[{}]", _TOKEN.sub("", text)):
        raise WrongValueError("a brace here begins or ends a {token}", _CURE)


def one_name(text: str) -> str:
    """Return a text that names one thing, such as an output or a file.

    Raises:
        ValueError: it is written as a pattern.
    """
    refuse_foreign(text, tokens=False)
    if re.search(r"[{}?]", text):
        raise WrongValueError("names one thing, and is no pattern", "write the name itself")
    return text
