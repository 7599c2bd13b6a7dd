"""Whose sentence it is: ours, an authority's, somebody else's."""

from __future__ import annotations

from verify.prose.words import bag

# First person and what stands for it. The pack's subject is added.
OURS = (
    "we|our|ours|us|i|my",
    "this implementation|repository|repo|port|package|engine|library|project|reimplementation",
    "this model|checkpoint|run|code|reproduction|work|paper",
)
# Said to the reader, promised by us.
PROMISES = (
    "you can|will ?also expect|get|reach|obtain|have",
    "you get",
    "can be trained|run|pushed to",
)
NOT_OURS = (
    "not ours",
    "not our own",
    "none of ours",
    "not by us",
    "let us",
    "tell us",
    "we quote|cite|copy|repeat|list|reprint",
)

# Words for authorities, by the id a pack may give them; `*` is any source.
AUTHORITY_WORDS = {
    "paper": ("the paper", "paper", "original paper", "the manuscript", "the preprint"),
    "reference": (
        "the reference", "reference implementation", "reference code", "reference release",
        "the release", "jax release", "authors release", "authors ' release",
        "authors ' own readme", "authors ' readme", "authors ' code", "original release",
        "official release", "official code", "official implementation", "official repository",
        "upstream", "published checkpoint", "published checkpoints", "released checkpoint",
        "the jax code", "reference",
    ),
    "community": ("public reproduction", "community reproduction", "community run"),
    "recording": ("golden traces", "golden trace"),
    "*": (
        "the authors", "authors", "the original", "original implementation", "original code",
        "original jax code", "original authors", "original results", "original work",
        "original repository", "the published", "published",
    ),
}  # fmt: skip
# The same words after these are our own: "this paper", "our release", "a later release".
NOT_AN_AUTHORITY_AFTER = bag("this our next later first new a every each my")
# And before these they qualify something else: "reference semantics".
NOT_AN_AUTHORITY_BEFORE = bag("semantics statistics eval")

# An authority says it. `@authority` is also a citation by name.
_REPORTS = (
    "report*|state*|claim*|say|says|said|give|gives|list|lists|has|have|had|show*|quote*|find|"
    "finds|"
    "found|obtain*|achieve*|attain*|reach*|get|gets|got|measure*|record*|publish*|ended|ends|"
    "print*|"
    "describe*|mention*|note|notes|present*|demonstrate*|contain*|use|uses|used"
)
SAYS = (
    f"@authority ?' ?and ?@authority ?@citation {_REPORTS}",
    f"@authority ?' 's table|readme|abstract|appendix|text {_REPORTS}",
    "according to .. @authority|@citation",
    "reported|quoted|stated|given|listed|claimed|measured|published by|in|from ?the @authority|"
    "@citation",
    "as reported .. @authority",
    "@authority :",
    "by ?the @authority ?' ?own account",
)
# A figure is said to be an authority's, or to stand in its tables.
BELONGS = (
    "@authority 's|'",
    "table|tables|section|appendix|figure .. of|in|from ?the @authority",
    "( ?the @authority",
    "@authority , table|tables|section|appendix|figure",
    "in|from|by ?the @authority",
    "@authority figure|figures|number|numbers|value|values|result|results|@metric",
)
# "as in the paper" likens a figure to another; it does not say whose it is.
NOT_BELONGING = (
    "as in ?the @authority",
    "same .. as .. @authority",
    "like .. in ?the @authority",
    "vs|versus|against|than|compared .. @authority",
    "vs|versus|against|than|compared @number .. @authority",
    "( ?the @authority ?'s ?@metric :|=|has|: ?@number",
    "( ?the @authority @number",
)
# A heading or a caption under which figures are an authority's.
HEADING_SAYS = (
    f"@authority {_REPORTS}",
    "figure|figures|number|numbers|result|results|value|values of|from|in|by ?the @authority",
    "published|reported|quoted figure|figures|number|numbers|result|results|value|values",
    "@authority 's|' figure|figures|number|numbers|result|results|value|values",
    "according to ?the @authority",
)
# A work outside of the pack, cited by name, says it.
CITED = ("et al",)
# Nobody said it about this project: others' figures and failures.
OTHERS = (
    "unlike .. reproduction|implementation|run|model",
    "another|other|previous|prior|earlier|existing|public|third reproduction*|implementation*|"
    "run|runs|"
    "attempt*|method*|work|party",
    "reproduction|attempt|run that ended|stayed|failed",
    "by others|somebody",
)

# A sentence that begins with one of these speaks of what the sentence before it spoke of.
ANAPHORS = bag("its it their they")
