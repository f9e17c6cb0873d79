"""App settings for the secrets of imported definitions: names them, and says where each stood.

No secret is copied: not into a setting, a report or a message. In which forms a secret stands:
data-factory §2.1, §3.1.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

from shared.core.config.setting_references import not_filled_in
from shared.core.secret_shapes import without_bare, without_shapes
from shared.importers.data_factory.account import Element, leaves, shown

_WORDS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_LONGEST: Final = 80
#: Names of keys and parameters whose values are secrets.
_SECRET_NAME: Final = re.compile(
    r"passw(?:or)?d|\bpwd\b|pass ?phrase|secret(?! ?name)|(?<!encrypted )credential|"
    r"(?:account|api|access|shared|storage|principal|auth\w*|function|primary|admin) ?key|"
    r"connection ?string|\bsas\b|\bsas ?(?:token|uri|url|key)|"
    r"(?:access|bearer|auth|api|refresh|oauth) ?token",
    re.IGNORECASE,
)
#: A connection string without any of these holds no secret; the app takes no text with one.
_SECRET_PART: Final = re.compile(
    r"(?<![a-z])(?:AccountKey|SharedAccess\w*|Password|Pwd|sig(?:nature)?)"
    r"\s*(?:=|%3d)\s*(?!\$\{)[^;\s&]",
    re.IGNORECASE,
)
_VAULT: Final = "AzureKeyVaultSecret"


class Form(Enum):
    """In which form a secret stands in a definition."""

    ABSENT = "is not in the file"
    CLEAR = "stands here in clear text"
    VAULT = "is in a vault"
    ENCRYPTED = "is encrypted here for the factory alone"
    MASKED = "is masked here"
    PARAMETER = "is a parameter of the template, without a value here"
    EXPRESSION = "is an expression that is known when a run begins"
    PLACEHOLDER = "is a placeholder here"


#: A text, and the form that it shows; the first that fits counts.
_FORMS: Final = (
    (re.compile(r"^[*•]{3,}$"), Form.MASKED),
    (re.compile(r"^\[(?!\[).*\]$", re.DOTALL), Form.PARAMETER),
    (re.compile(r"^\$EncryptedString\$"), Form.ENCRYPTED),
    (
        re.compile(
            r"(?:AccountKey|SharedAccessSignature|Password|Pwd)\s*=\s*(?:[*•]{3,}|<[^<>;]*>)",
            re.IGNORECASE,
        ),
        Form.MASKED,
    ),
    (re.compile(r"^@(?!@|Microsoft)|@\{", re.DOTALL), Form.EXPRESSION),
)


def form_of(value: Any) -> Form:
    """Return in which form a secret stands: a text, or an object that holds or names one."""
    if isinstance(value, dict):
        by_name = {str(key).casefold(): one for key, one in value.items()}
        if str(by_name.get("type", "")).casefold() == _VAULT.casefold():
            return Form.VAULT
        if str(by_name.get("type", "")).casefold() == "expression":
            return Form.EXPRESSION
        return form_of(by_name.get("value"))
    text = "" if value is None else str(value).strip()
    if not text:
        return Form.ABSENT
    form = next((form for pattern, form in _FORMS if pattern.search(text)), None)
    if form is not None:
        return form
    return Form.PLACEHOLDER if not_filled_in(text) else Form.CLEAR


def is_secret(name: str, value: Any) -> bool:
    """Whether a key or a parameter holds a secret, by its name or by the shape of its value.

    Args:
        name: of the key or parameter, such as `Account key` or `servicePrincipalKey`.
        value: as it is written.
    """
    if isinstance(value, bool | int | float) or value is None:
        return False
    if isinstance(value, dict):
        return form_of(value) is Form.VAULT or "securestring" in str(value.get("type", "")).lower()
    if isinstance(value, str) and (
        _SECRET_PART.search(value) or without_bare(without_shapes(value)) != value
    ):
        return True
    spoken = " ".join(_WORDS.findall(name))
    return bool(value) and _SECRET_NAME.search(spoken) is not None


def in_clear_text(element: Element) -> Iterator[str]:
    """Yield the paths of the secrets below an element that stand there in clear text."""
    for path, value in leaves(element.value, element.path):
        named = [str(part) for part in path if isinstance(part, str)]
        if len(named) > 1 and named[-1].casefold() in ("value", "defaultvalue"):
            named.pop()
        spoken = named[-1] if named else ""
        if not is_secret(spoken, value) or form_of(value) is not Form.CLEAR:
            continue
        if "connection" in spoken.lower() and not _SECRET_PART.search(str(value)):
            continue
        yield shown(path)


def warned_of(paths: list[str]) -> str:
    """Return what to do about secrets in clear text; empty where there is none.

    Args:
        paths: where they stand.
    """
    if not paths:
        return ""
    return (
        f"rotate what stands in clear text at {', '.join(paths)}: whoever can read the file has it"
    )


@dataclass(slots=True)
class Secrets:
    """The app settings that the imported pipelines need, by their names."""

    #: Setting -> what belongs there, for people; a text in <>.
    wanted: dict[str, str] = field(default_factory=dict)
    #: The linked service of a vault, folded -> the address of the vault.
    vaults: dict[str, str] = field(default_factory=dict)
    _names: dict[tuple[str, str], str] = field(default_factory=dict)
    _seen: set[tuple[str, tuple[str | int, ...]]] = field(default_factory=set)

    def setting(self, element: Element | None, owner: str, key: str) -> str:
        """Return `${NAME}` for a secret, and report where it stood; the same for the same key.

        Args:
            element: the secret; None where the file does not have it, which the caller reports.
            owner: the linked service or activity that it belongs to.
            key: what it is called there, such as `apiKey`.
        """
        name = self._name(owner, key)
        if element is None or not self.first_time(element):
            return f"${{{name}}}"
        form = form_of(element.value)
        place = f"app setting {name}: the value {form.value}, and is not copied"
        to_do = f"set {name}"
        if form is Form.CLEAR:
            to_do = f"{to_do}, and rotate the secret: whoever can read this file has it"
        elif form is Form.VAULT:
            reference = self._vault_reference(element)
            place, to_do = f"app setting {name}, from the vault", f"set {name} to {reference}"
            self.wanted[name] = _hint(f"{owner}: {key}; in Azure {reference}")
        element.approximated("key", key, place, to_do)
        return f"${{{name}}}"

    def first_time(self, element: Element) -> bool:
        """Whether an element is seen here for the first time."""
        place = (element.file, element.path)
        new = place not in self._seen
        self._seen.add(place)
        return new

    def _name(self, owner: str, key: str) -> str:
        known = self._names.get((owner.strip().casefold(), key.casefold()))
        if known is not None:
            return known
        name = base = setting_name(owner, key)
        number = 1
        while name in self.wanted:
            number += 1
            name = f"{base}_{number}"
        self._names[owner.strip().casefold(), key.casefold()] = name
        self.wanted[name] = _hint(f"{owner}: {key}")
        return name

    def _vault_reference(self, element: Element) -> str:
        """Return what the setting holds in Azure, for a secret of a vault."""
        store = element.get("store", "referenceName")
        vault = "" if store is None else self.vaults.get(str(store.value).strip().casefold(), "")
        secret = element.get("secretName")
        version = element.get("secretVersion")
        named = "" if secret is None else str(secret.value)
        parts = [named or "<name of the secret>"]
        if version is not None and isinstance(version.value, str) and version.value:
            parts.append(version.value)
        unknown = f"<address of {store.value}>" if store is not None else "<address of the vault>"
        where = vault.rstrip("/") or unknown
        return f"@Microsoft.KeyVault(SecretUri={where}/secrets/{'/'.join(parts)})"


def not_needed(element: Element, key: str, why: str) -> None:
    """Report a secret that nothing in Relearn needs.

    Args:
        element: the secret.
        key: what it is called.
        why: it is not needed.
    """
    if form_of(element.value) is Form.ABSENT:
        element.take()
        return
    clear = form_of(element.value) is Form.CLEAR
    to_do = "rotate it: it stands here in clear text" if clear else ""
    element.approximated("key", key, f"not copied, and not needed: {why}", to_do)


def report_passed(element: Element, key: str, value: Any) -> None:
    """Report a secret that a trigger, a call or a default value passes on.

    Args:
        element: what passes it on.
        key: what it is called.
        value: of the secret.
    """
    clear = form_of(value) is Form.CLEAR
    to_do = "rotate it: it stands here in clear text" if clear else ""
    text = "a secret is not copied: a parameter of a job that uses it has an app setting"
    element.approximated("key", key, text, to_do)


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
