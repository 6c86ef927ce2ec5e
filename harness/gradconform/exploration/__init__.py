"""`gradconform explore`: whole random programs, for as long as one likes, and what is done with a find.

batches   a stretch of programs, run on torch and on the engine, and judged where they are not the same
smaller   a find made small: by hypothesis, then by leaving out steps
finds     the database: one JSON document a find, with its three reproducers beside it
scenarios a find as a YAML scenario
explorer  all of it, from the known finds to the new ones, in this process or in several
rounds    round after round: what is rare is written more often, what is known is not told again
"""
