"""The bugs that are planted, by subject."""

from typing import Final

from proofs.bugs.bug import Bug
from proofs.bugs.cleaning import CLEANING
from proofs.bugs.configuration import CONFIGURATION
from proofs.bugs.endpoints import ENDPOINTS
from proofs.bugs.gathering import GATHERING
from proofs.bugs.ledger import LEDGER
from proofs.bugs.models import MODELS
from proofs.bugs.secrets import SECRETS
from proofs.bugs.turns import TURNS

BUGS: Final[tuple[Bug, ...]] = (
    *LEDGER,
    *GATHERING,
    *TURNS,
    *ENDPOINTS,
    *MODELS,
    *SECRETS,
    *CONFIGURATION,
    *CLEANING,
)
