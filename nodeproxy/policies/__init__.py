"""One module per policy: its settings and what they mean. Their order is `chain.CHAIN`; handlers stand beside them."""
