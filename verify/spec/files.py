"""Every file that a pack may hold, by the schema it states."""

from __future__ import annotations

from verify.attest.model import KeysFile
from verify.card.model import CardFile
from verify.dogfood.model import DogfoodFile
from verify.guard.model import DigestsFile, Frontier, ProtectedFile
from verify.hunt.model import WorkOrder
from verify.mutate.model import EquivalentsFile
from verify.promotion.model import PromotionFile
from verify.release.model import ReleaseFile
from verify.spec.model import FILE_MODELS, Frozen
from verify.spec.written import SCHEMA, ContractFile

MODELS: dict[str, type[Frozen]] = {
    **FILE_MODELS,
    SCHEMA: ContractFile,
    "verify/frontier/1": Frontier,
    "verify/protected/1": ProtectedFile,
    "verify/digests/1": DigestsFile,
    "verify/release/1": ReleaseFile,
    "verify/promotion/1": PromotionFile,
    "verify/card/1": CardFile,
    "verify/equivalents/1": EquivalentsFile,
    "verify/keys/1": KeysFile,
    "verify/work-order/1": WorkOrder,
    "verify/dogfood/1": DogfoodFile,
}
