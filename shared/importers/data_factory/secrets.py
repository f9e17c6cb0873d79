"""App settings for the secrets of imported definitions: names them, and says where each stood.

No secret is copied: not into a setting, a report or a message. In which forms a secret stands:
data-factory §2.1, §3.1.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final

from shared.core.secret_shapes import without_bare, without_shapes
from shared.importers.data_factory.account import (
    Account,
    Element,
    ImportOutcome,
    Line,
    Path,
    Place,
    both_to_do,
    leaves,
)
from shared.importers.data_factory.secret_forms import (
    Form,
    constants,
    form_of,
    has_shape,
    joined,
    without_constants,
)
from shared.importers.data_factory.values import unique

_WORDS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_LONGEST: Final = 80
#: No more of a name is looked at: Data Factory takes 260 characters.
_LONGEST_NAME: Final = 300
#: Names of keys and parameters whose values are secrets. A short word counts only as a whole one:
#: `user_pass` and `Token`, and not `passenger` and `Tokenizer`.
_SECRET_NAME: Final = re.compile(
    r"passw(?:or)?d|\b\w*pwd?\b|\b(?:admin|db|sql|user)?pass\b|pass ?phrase|"
    r"secret(?!ar| ?(?:name|version))|\btoken\b(?! (?:column|count|kind|length|limit|size|type)\b)|"
    r"(?<!encrypted )credential(?!s? type)|"
    r"(?:account|api|access|shared|storage|principal|auth\w*|functions?|primary|admin|"
    r"encryption|master|private|service|signing|subscription) ?key(?! ?(?:column|name|type|vault))|"
    r"connection ?string|\bsas\b|\bsas(?:token|uri|url|key)|"
    r"(?:access|bearer|auth|api|refresh|oauth)token|\bbearer\b|\bpat\b|\bcreds?\b|"
    r"\blogin\b(?! (?:name|url|uri|id|page|type)\b)|\bauthorization\b",
    re.IGNORECASE,
)
#: A number is a secret only where it is called one.
_PASSWORD: Final = re.compile(r"passw(?:or)?d|\bpwd\b|pass ?phrase|\bsecret$", re.IGNORECASE)
#: A name that ends with `key` may be that of a column; a value with this shape is none.
_KEY_NAME: Final = re.compile(r"\bkey$", re.IGNORECASE)
_RANDOM: Final = re.compile(r"(?=.*\d)(?=.*[A-Za-z])[\w+/=-]{16,}", re.ASCII)
#: A value of letters and digits is a secret under one of these names, a word or a number is none.
_SHORT_NAME: Final = re.compile(r"keys?|slack|sig|signature|auth", re.IGNORECASE)
_MIXED: Final = re.compile(r"(?=.*\d)(?=.*[A-Za-z])[^\s:{}()@]{8,}")
#: A connection string without any of these holds no secret; the app takes no text with one.
_SECRET_PART: Final = re.compile(
    r"(?:(?<![a-z])(?:AccountKey|SharedAccess\w*|Password|Pwd|(?:client)?secret|sig(?:nature)?)|"
    r"[?&]code)\s*(?:=|%3d)\s*(?!\$\{)[^;\s&]|"
    r"[\"'](?:\w*password|pwd|\w*secret|\w*token|api_?key)\\?[\"']\s*:\s*\\?[\"'](?!\$\{)[^\"'\\]|"
    r"://[^/@:\s\"'{}]*:[^/@:\s\"'{}]+@|-----BEGIN [A-Z ]*PRIVATE KEY-----|"
    r"(?<![a-z])(?:pwd?|passw(?:or)?d|pass|secret|token)\s*:\s*"
    r"(?=[^\s;&,]{0,80}\d)[^\s;&,\"'{}<>$]{6,}|"
    r"[?&](?:key|token|access_token|api_?key)=[^\s&$<{]|"
    r"(?<![a-z_])(?:key|token(?!=@))=(?=[^\s;&]{0,80}\d)(?=[^\s;&]{0,80}[a-z])[^\s;&,\"'{}<>$]{8,}",
    re.IGNORECASE,
)
#: A user and a password; a text such as `model:v2` or `10:30` is none.
_USER: Final = re.compile(
    r"[A-Za-z][\w.@-]*:(?=.*\d)(?=.*[A-Za-z])(?=.*(?:[A-Z]|[^\w.-]))[^\s:/\\{}()]{8,}"
)
#: Keys of a value, and of what is beside it and says its name.
_VALUES: Final = ("value", "defaultvalue")
_NAMES: Final = ("name", "variablename")
#: What a secret of a vault, or a version of it, is called; an expression is not.
_IN_A_VAULT: Final = re.compile(r"[A-Za-z0-9-]+")
_ROTATE_AT: Final = "rotate what stands in clear text at"


def is_secret(name: str, value: Any) -> bool:
    """Whether a key or a parameter holds a secret, by its name or by the shape of its value.

    Args:
        name: of the key or parameter, such as `Account key` or `servicePrincipalKey`.
        value: as it is written.
    """
    spoken = " ".join(_WORDS.findall(name[:_LONGEST_NAME]))
    if isinstance(value, bool) or value is None:
        return False
    if isinstance(value, int | float):
        return _PASSWORD.search(spoken) is not None
    if isinstance(value, dict):
        typed = {str(key).casefold(): one for key, one in value.items()}
        kind = str(typed.get("type", "")).casefold()
        if kind == "expression":
            return is_secret(name, str(typed.get("value", "")))
        return form_of(value) is Form.VAULT or "securestring" in kind
    if isinstance(value, str) and _has_value_of_secret(spoken, value):
        return True
    return bool(value) and _SECRET_NAME.search(spoken) is not None


def _has_value_of_secret(spoken: str, value: str) -> bool:
    """Whether a value looks like a secret, by itself or under its name, in words."""
    if has_shape(value) or any(map(_SECRET_PART.search, {value, joined(value)})):
        return True
    for text in (one.strip() for one in constants(value)):
        short = _SHORT_NAME.fullmatch(spoken) is not None and _MIXED.fullmatch(text) is not None
        long = _KEY_NAME.search(spoken) is not None and _RANDOM.fullmatch(text) is not None
        if short or long or _USER.fullmatch(text):
            return True
    return False


def in_clear_text(value: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Yield the secrets below a value that stand there in clear text, with their paths.

    Args:
        value: of a definition.
        path: where it is.
    """
    for at, one in leaves(value, path):
        text = str(one)
        if not isinstance(one, str | int | float) or form_of(one) is not Form.CLEAR:
            continue
        names = [str(part) for part in at if isinstance(part, str)]
        secure = False
        if len(names) > 1 and names[-1].casefold() in _VALUES:
            names.pop()
            holder = Element(_below(value, at[len(path) : -1]), "", (), Account())
            names += [said for key in _NAMES if (said := holder.get(key).peek())]
            secure = is_secret("", holder.value)
        says_its_name = text.strip().casefold() in map(str.casefold, names)
        if not says_its_name and (secure or (names and is_secret(names[-1], one))):
            yield at, text


def _below(value: Any, path: Path) -> Any:
    for part in path:
        value = value[part]
    return value


def secret_places(element: Element) -> list[str]:
    """Return the paths of the secrets below an element that stand there in clear text."""
    return [Place("", path).at for path in _paths_in_clear_text(element)]


def _paths_in_clear_text(element: Element) -> list[Path]:
    return [
        path
        for path, text in in_clear_text(element.value, element.path)
        if "connection" not in str(path[-1]).lower() or _SECRET_PART.search(text)
    ]


def warned_of(paths: list[str]) -> str:
    """Return what to do about secrets in clear text; empty where there is none.

    Args:
        paths: where they stand.
    """
    if not paths:
        return ""
    return f"{_ROTATE_AT} {', '.join(paths)}: each reader of the file has it"


def warn_of_the_rest(account: Account, file: str, root: Any) -> None:
    """Add what to do about each secret in clear text of which no line above it warns.

    Args:
        account: with the lines of the file.
        file: its name.
        root: its content.
    """
    body = Element(root, file, (), account)
    for path in _paths_in_clear_text(body):
        place = Place(file, path)
        above = [Place(file, path[:length]) for length in range(len(path), -1, -1)]
        lines = [account.lines[one] for one in above if one in account.lines]
        if any(_warns_of(line, place.at) for line in lines):
            continue
        to_do = warned_of([place.at])
        if lines:
            account.lines[lines[0].place] = replace(
                lines[0], to_do=both_to_do(lines[0].to_do, to_do)
            )
        else:
            name, text = str(path[-1]), "a secret is not copied"
            account.add(Line(file, path, "key", name, ImportOutcome.NOT_CARRIED_OVER, text, to_do))


def _warns_of(line: Line, at: str) -> bool:
    """Whether a line says to rotate a secret: the one at this path, or the only one below it."""
    _, several, paths = line.to_do.partition(_ROTATE_AT)
    if not several:
        return "rotate" in line.to_do
    return f" {at}," in paths or f" {at}:" in paths


@dataclass(slots=True)
class Secrets:
    """The app settings that the imported pipelines need, by their names."""

    #: Setting -> what belongs there, for people; a text in <>.
    wanted: dict[str, str] = field(default_factory=dict)
    #: The linked service of a vault, folded -> the address of the vault.
    vaults: dict[str, str] = field(default_factory=dict)
    #: Setting -> where its value stood, is missing, or is said to be.
    places: dict[str, dict[Place, None]] = field(default_factory=dict)
    #: Setting -> the vault that it is from, by its linked service, folded.
    from_vaults: dict[str, str] = field(default_factory=dict)
    _names: dict[tuple[str, str], str] = field(default_factory=dict)
    _seen: set[tuple[Place, str]] = field(default_factory=set)

    def setting(self, element: Element, owner: str, key: str, apart: str = "") -> str:
        """Return `${NAME}` for a secret, and report where it stood; the same for the same key.

        Args:
            element: the secret; where the file does not have it, the caller reports that.
            owner: the linked service or activity that it belongs to.
            key: what it is called there, such as `apiKey`.
            apart: what tells apart several ones of that owner; it is not in the name.
        """
        name = self._name(owner, key, apart)
        self.note(name, element)
        form = form_of(element.value)
        if form is Form.VAULT:
            self.from_vaults[name] = element.get("store", "referenceName").peek().casefold()
        if not self.first_time(element, name):
            return f"${{{name}}}"
        what = f"{form.value}{_expression(element, form)}"
        # no colon behind the name: in `X_BEARER: the`, a word would be taken for a token
        place = f"app setting {name}, since the value {what}, and is not copied"
        to_do = f"set {name}"
        if form is Form.CLEAR:
            to_do = f"{to_do}, and rotate the secret: each reader of this file has it"
        elif form is Form.VAULT:
            reference = self._vault_reference(element)
            place, to_do = f"app setting {name}, from the vault", f"set {name}, to {reference}"
            self.wanted[name] = _hint(f"{owner}: {key}; in Azure {reference}")
        element.approximated("key", key, place, to_do)
        return f"${{{name}}}"

    @property
    def all_places(self) -> frozenset[Place]:
        """The places of all secrets."""
        return frozenset(one for places in self.places.values() for one in places)

    def note(self, setting: str, element: Element) -> None:
        """Note where the value of a setting stood, is missing, or is said to be.

        Args:
            setting: its name.
            element: what is there.
        """
        self.places.setdefault(setting, {})[element.place] = None

    def first_time(self, element: Element, of: str) -> bool:
        """Whether an element is seen here for the first time.

        Args:
            element: the element.
            of: what it is seen for.
        """
        seen = element.place, of
        new = seen not in self._seen
        self._seen.add(seen)
        return new

    def _name(self, owner: str, key: str, apart: str) -> str:
        whole = f"{owner} {apart}".strip()
        known = self._names.get((whole.casefold(), key.casefold()))
        if known is not None:
            return known
        name = unique(setting_name(owner, key), self.wanted, _LONGEST, "_")
        self._names[whole.casefold(), key.casefold()] = name
        self.wanted[name] = _hint(f"{whole}: {key}")
        return name

    def _vault_reference(self, element: Element) -> str:
        """Return what the setting holds in Azure, for a secret of a vault."""
        store = element.get("store", "referenceName")
        vault = self.vaults.get(store.peek().casefold(), "").rstrip("/")
        where = vault or f"<address of {store.peek() or 'the vault'}>"
        said = [element.get(key).peek() for key in ("secretName", "secretVersion")]
        secret, version = (one if _IN_A_VAULT.fullmatch(one) else "" for one in said)
        name = f"{secret or '<name of the secret>'}{f'/{version}' if version else ''}"
        return f"@Microsoft.KeyVault(SecretUri={where}/secrets/{name})"


def _expression(element: Element, form: Form) -> str:
    """Return the expression that a secret is, for people; empty where it is none."""
    if form not in (Form.PARAMETER, Form.EXPRESSION):
        return ""
    text = (element.get("value") or element).peek()
    return f" (`{without_bare(without_shapes(without_constants(text)))}`)" if text else ""


def not_needed(element: Element, key: str, why: str) -> None:
    """Report a secret that nothing in Relearn needs.

    Args:
        element: the secret.
        key: what it is called.
        why: it is not needed.
    """
    element.take()
    if form_of(element.value) is not Form.ABSENT:
        text = f"not copied, and not needed: {why}"
        element.approximated("key", key, text, rotation(element.value))


def report_passed(element: Element, key: str, value: Any) -> None:
    """Report a secret that a trigger, a call or a default value passes on.

    Args:
        element: what passes it on.
        key: what it is called.
        value: of the secret.
    """
    text = "a secret is not copied: a parameter of a job that uses it has an app setting"
    element.approximated("key", key, text, rotation(value))


def rotation(value: Any) -> str:
    """Return what to do about a secret that is not copied; empty where it is not readable."""
    return "rotate it: it stands here in clear text" if form_of(value) is Form.CLEAR else ""


def setting_name(owner: str, key: str) -> str:
    """Return the name of an app setting, such as `TRAININGENDPOINT_API_KEY`.

    Args:
        owner: the linked service or activity.
        key: what the value is called there.
    """
    left = re.sub(r"[^A-Za-z0-9]+", "_", owner).strip("_").upper()
    right = "_".join(_WORDS.findall(key)).upper()
    name = "_".join(part for part in (left, right) if part)[:_LONGEST] or "SECRET"
    return name if name[0].isalpha() else f"S_{name}"


def _hint(text: str) -> str:
    """Return what stands in place of a value: a text in <>, which none is within."""
    return f"<{re.sub(r'[<>]+', '', text).strip()}>"
