"""The optional webhook of policy ConfigMaps: a bad table is refused when it is applied (docs/admission.md)."""
