"""The steps of the features, by actor.

They judge by what others saw, never by the PBX's own word, unless a step is about what OMC or MMC shows.
"""
