"""How long a company's reports take with ten thousand and with a million calls in a month."""
