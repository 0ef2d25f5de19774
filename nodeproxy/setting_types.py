"""The types of settings: text that is validated when it is read, and lists that may be written with commas."""

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_settings import NoDecode

from nodeproxy import setting_names, setting_text

Address = Annotated[str, AfterValidator(setting_text.own_address)]
KnownAddress = Annotated[str, AfterValidator(setting_text.known_address)]
MaybeKnownAddress = Annotated[str, AfterValidator(lambda text: setting_text.known_address(text) if text else text)]
LoopbackAddress = Annotated[str, AfterValidator(lambda text: setting_text.loopback_address(text) if text else text)]
Hosts = Annotated[
    tuple[Annotated[str, AfterValidator(setting_names.host)], ...],
    NoDecode,
    BeforeValidator(setting_text.elements),
]
Server = Annotated[str, AfterValidator(lambda text: setting_text.server_address(text) if text else text)]
Addresses = Annotated[str, AfterValidator(setting_text.range_of_addresses)]
MaybePath = Annotated[str, AfterValidator(setting_text.path)]
Sources = Annotated[
    tuple[Annotated[str, AfterValidator(setting_text.trusted_source)], ...],
    NoDecode,  # the environment separates elements by commas, not as JSON
    BeforeValidator(setting_text.sources),
]
Zones = Annotated[
    tuple[Annotated[str, AfterValidator(setting_names.also_zone)], ...],
    NoDecode,
    BeforeValidator(setting_text.elements),
]
PolicyNames = Annotated[
    tuple[Annotated[str, AfterValidator(setting_names.policy_name)], ...],
    NoDecode,
    BeforeValidator(setting_text.elements),
    Field(max_length=setting_names.OWN_POLICIES_MOST),
]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
