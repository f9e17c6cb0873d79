"""The functions and decorators of Bicep: how many arguments each takes, and what it returns."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from local.infra_check.shapes import (
    ANY,
    ARRAY,
    BOOL,
    INT,
    OBJECT,
    STRING,
    Shape,
    array_of,
    object_of,
)

_MANY: Final = 99

# name: fewest arguments, most (`*` any number), what is returned
_WRITTEN: Final = """
any 1 1 any|array 1 1 array|base64 1 1 string|base64ToJson 1 1 any|base64ToString 1 1 string
bool 1 1 bool|buildUri 1 1 string|cidrHost 2 2 string|cidrSubnet 3 3 string|coalesce 1 * any
concat 1 * any|contains 2 2 bool|dataUri 1 1 string|dataUriToString 1 1 string
dateTimeAdd 2 3 string|dateTimeFromEpoch 1 1 string|dateTimeToEpoch 1 1 int|empty 1 1 bool
endsWith 2 2 bool|fail 1 1 any|filter 2 2 array|first 1 1 any|flatten 1 1 array|format 2 * string
groupBy 2 2 object|guid 1 * string|indexOf 2 2 int|int 1 1 int|intersection 1 * any
items 1 1 array|join 2 2 string|json 1 1 any|last 1 1 any|lastIndexOf 2 2 int|length 1 1 int
loadDirectoryFileInfo 1 2 array|loadFileAsBase64 1 1 string|loadJsonContent 1 3 any
loadTextContent 1 2 string|loadYamlContent 1 3 any|map 2 2 array|mapValues 2 2 object
max 1 * int|min 1 * int|nameof 1 1 string|newGuid 0 0 string|objectKeys 1 1 strings
padLeft 2 3 string|parseCidr 1 1 object|parseUri 1 1 object|range 2 2 ints|reduce 3 3 any
replace 3 3 string|shallowMerge 1 1 object|skip 2 2 any|sort 2 2 array|split 2 2 strings
startsWith 2 2 bool|string 1 1 string|substring 2 3 string|take 2 2 any|toLower 1 1 string
toObject 2 3 object|toUpper 1 1 string|trim 1 1 string|union 1 * any|uniqueString 1 * string
uri 2 2 string|uriComponent 1 1 string|uriComponentToString 1 1 string|utcNow 0 1 string
deployer 0 0 deployer|deployment 0 0 deployment|environment 0 0 environment
extensionResourceId 3 * string|managementGroup 0 1 managementGroup
managementGroupResourceId 2 * string|pickZones 3 5 strings|reference 1 3 any
resourceGroup 0 2 resourceGroup|resourceId 2 * string|subscription 0 1 subscription
subscriptionResourceId 2 * string|tenant 0 0 tenant|tenantResourceId 2 * string
toLogicalZone 3 3 string|toLogicalZones 3 3 strings|toPhysicalZone 3 3 string
toPhysicalZones 3 3 strings
"""

#: What the functions about the place of a deployment return.
PLACES: Final[Mapping[str, Shape]] = MappingProxyType(
    {
        "deployer": object_of(
            "deployer", objectId=STRING, tenantId=STRING, userPrincipalName=STRING
        ),
        "deployment": object_of("deployment", name=STRING, location=STRING, properties=OBJECT),
        "environment": object_of(
            "environment",
            activeDirectoryDataLake=STRING,
            authentication=object_of(
                "authentication",
                audiences=array_of(STRING),
                identityProvider=STRING,
                loginEndpoint=STRING,
                tenant=STRING,
            ),
            batch=STRING,
            gallery=STRING,
            graph=STRING,
            graphAudience=STRING,
            media=STRING,
            name=STRING,
            portal=STRING,
            resourceManager=STRING,
            sqlManagement=STRING,
            suffixes=object_of(
                "suffixes",
                acrLoginServer=STRING,
                azureDatalakeAnalyticsCatalogAndJob=STRING,
                azureDatalakeStoreFileSystem=STRING,
                keyvaultDns=STRING,
                sqlServerHostname=STRING,
                storage=STRING,
            ),
            vmImageAliasDoc=STRING,
        ),
        "managementGroup": object_of("managementGroup", id=STRING, name=STRING),
        "resourceGroup": object_of(
            "resourceGroup",
            id=STRING,
            name=STRING,
            type=STRING,
            location=STRING,
            managedBy=STRING,
            tags=OBJECT,
            properties=OBJECT,
        ),
        "subscription": object_of(
            "subscription",
            id=STRING,
            subscriptionId=STRING,
            tenantId=STRING,
            displayName=STRING,
        ),
        "tenant": object_of(
            "tenant", tenantId=STRING, country=STRING, countryCode=STRING, displayName=STRING
        ),
    }
)
_RESULTS: Final[Mapping[str, Shape]] = {
    "any": ANY,
    "array": ARRAY,
    "bool": BOOL,
    "int": INT,
    "ints": array_of(INT),
    "object": OBJECT,
    "string": STRING,
    "strings": array_of(STRING),
    **PLACES,
}


@dataclass(frozen=True, slots=True)
class Function:
    """How often a function takes an argument, and what it returns."""

    fewest: int
    most: int
    result: Shape

    @property
    def counted(self) -> str:
        """How many arguments, in words."""
        if self.most == _MANY:
            return f"at least {self.fewest}"
        return f"{self.fewest}" if self.fewest == self.most else f"{self.fewest} to {self.most}"


def _read(text: str) -> dict[str, Function]:
    rows = (row.split() for line in text.split("\n") for row in line.split("|") if row.strip())
    return {
        name: Function(int(fewest), _MANY if most == "*" else int(most), _RESULTS[result])
        for name, fewest, most, result in rows
    }


FUNCTIONS: Final[Mapping[str, Function]] = MappingProxyType(_read(_WRITTEN))
#: They read keys: nothing here may need one.
FORBIDDEN: Final = ("listKeys", "listAccountSas", "listServiceSas", "listSecrets", "list")

#: Decorator -> what it may stand before.
DECORATORS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "allowed": ("param",),
        "batchSize": ("resource", "module"),
        "description": ("param", "var", "resource", "module", "output", "type", "func"),
        "discriminator": ("type", "param"),
        "export": ("var", "type", "func"),
        "maxLength": ("param", "output", "type"),
        "maxValue": ("param", "output", "type"),
        "metadata": ("param", "output", "type", "func"),
        "minLength": ("param", "output", "type"),
        "minValue": ("param", "output", "type"),
        "onlyIfNotExists": ("resource",),
        "sealed": ("param", "type", "output"),
        "secure": ("param", "output", "type"),
    }
)
