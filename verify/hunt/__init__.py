"""A hunt: work orders in their order, a ledger of attempts, and gates that only evidence opens.

`model` is the files, `rules` what lint says of them, `ledger` the attempts, `standing` what each
order and each contract has come to. Nothing here is typed by hand but the orders: what was found
comes from sealed bundles.
"""
