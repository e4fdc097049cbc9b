"""Everything that changes customers: their segments, profiles and document_ids, previews and reverts.

`replace_segments` is the one function that changes segments; import it from its module.
"""
