"""What is asserted: parity and superiority."""

from __future__ import annotations

from verify.prose.words import bag

# Parity that needs no object.
PARITY_ALONE = (
    "faithful .. reproduction|implementation|port|reimplementation|replica|copy|rendition",
    "faithful ?to .. @authority",
    "faithful to ?the table|algorithm|figure|equation|section",
    "true to ?the @authority",
    "faithfully reproduc*|implement*|replicat*|port*",
    "exact|true|perfect|carbon replica|copy|clone of ?the @authority",
    "1 : 1 port|replica|copy|clone|reimplementation|reproduction",
    "paper|reference|publication|@authority level|grade quality|results|fidelity|performance",
    "drop in replacement .. @authority",
    "full|complete|exact|perfect parity",
    "at parity",
    "reach*|achiev*|has|have|gives|at .. parity with",
    "parity with .. is complete|full|reached|exact|perfect",
    "indistinguishable from",
    "comparable performance|results|quality|fidelity|@metric",
    "reach*|get*|give*|achiev*|obtain* ?the same @metric|quality|results|accuracy|numbers",
    "@number % of ?the @authority ?' ?'s quality|performance|results|@metric",
    "is|are|be lossless",
    "lossless conversion|compression|export|import|port|quantisation|quantization",
    "bit for bit",
    "byte for byte",
    "bit exact|identical .. @authority",
    "same quality|results|fid|numbers|@metric .. as",
    "quality|results|numbers .. the same .. as",
    "identical results|numbers|outputs|quality",
)
# The same said by what is not there; a negation inside them denies nothing.
PARITY_BY_NEGATION = (
    "no|without|zero ?any loss|degradation|drop|decrease of|in quality|accuracy|fidelity|@metric",
    "no|without|zero ?any quality|accuracy|fidelity|@metric loss|degradation|drop",
    "no|without|zero ?any degradation",
    "no ?visible|measurable difference|deviation|gap ?to|from|with|between",
    "not|never|no worse than",
    "not only|just|merely .. match*|reproduc*|equal*",
    "does|do|did not|n't lose",
    "without any|a difference",
    "cannot|not|never be told|kept apart",
    "cannot|not|never be distinguished",
)
# A column or row that asks for parity, where a cell answers yes.
PARITY_ASKED = ("parity ?with ?@authority", "faithful", "lossless", "reproduced|matched|verified")
# Parity of how good something is, which no agreement of numbers carries.
QUALITY = bag("good quality look looks level par comparable performance accurate strong")
# Parity with somebody: the words, and an authority or a published table in the same clause.
PARITY_WITH = (
    "match*",
    "reproduce*|reproducing",
    "replicate*|replicating",
    "recreate*|recreating",
    "confirm* .. @authority",
    "equals|equalled",
    "equal ?to|the|those|that|its",
    "identical*",
    "agree|agrees|agreed|agreement .. with",
    "agree|agrees|agreed to @number",
    "and ?the @authority .. agree|coincide",
    "within @number ?@metric ?of ?the @authority",
    "same .. as",
    "same|identical .. @authority",
    "on ?a par with|to",
    "comparable to|with",
    "equivalent* ?to",
    "consistent with",
    "in line with",
    "mirrors|mirroring",
    "coincide|coincides",
    "as good|accurate|strong|fast .. as",
    "just like",
    "behave* .. like|as",
    "reach*|attain*|achiev*|hit|hits|get|gets|train|trains|trained|deliver*|give*|yield*|offer* "
    ".. "
    "@authority ?'s ?' @metric|results|quality|performance|numbers|figures",
    "reach*|hit|hits|attain*|achiev* .. numbers|results|figures|values of|in|from",
    "is|are ?exactly|precisely|just that|those of",
    "is|are exactly|precisely ?the @authority",
    "byte for byte",
    "bit for bit",
    "close|near* to ?the @authority",
)
# After an authority: what is done to it, so it is not the one that matches.
PASSIVE = (
    "is|are|was|were|been|be ?fully|exactly matched|reproduced|replicated|reached|met|equalled|"
    "attained|achieved|recreated",
)
# After these the word is part of a name: flow matching, moment matching.
NOT_PARITY_AFTER = bag("flow score moment feature distribution pattern string glob")
# What parity may be with besides an authority.
PUBLISHED = (
    "published|reported|official|original figure*|number*|result*|@metric|curve*|table*|value*",
    "table|tables|algorithm|figure|equation|eq @number",
    "recorded output*|behaviour|behavior|trace*|value*|one|ones|sample|samples|loss*|step*",
)
# Clauses of a sentence are judged apart; a clause begins at each of these outside of brackets.
CLAUSE_BREAKS = (
    ";",
    " — ",
    " – ",
    ", but ",
    ", yet ",
    ", whereas ",
    ", while ",
    ", we ",
    ", our ",
    ", ours ",
    ", and we ",
    ", and our ",
    ": we ",
    ": our ",
    ", so ",
    ", it ",
    ", this ",
)
# Objects that make a parity one of wording, not of results.
WORDING = ("notation|terminology|numbering|symbols|naming|spelling|section|sections|order|layout",)
# Parity without a tolerance.
EXACT = (
    "identical*",
    "exact|exactly|exactness",
    "bit for bit|exact|identical|wise",
    "bitwise",
    "byte for byte",
    "lossless*",
    "indistinguishable",
    "in every detail|output|respect",
    "everything",
)
# A bound on the difference: "within 1e-5", "to 1e-6".
BOUND = ("within @number", "to within @number", "to @number", "below @number", "error of @number")

SUPERIORITY = (
    "state of the art",
    "sota",
    "outperform*",
    "surpass*",
    "outclass*",
    "beat|beats|beating",
    "exceed* @authority|it|them|all|every",
    "unmatched|unrivalled|unrivaled|unparalleled|unprecedented|unsurpassed",
    "best ?performing|known|available|published|public open|implementation|reproduction|port|"
    "model|generator|library|"
    "engine|results|quality|in",
    "strongest|fastest|finest ?and ?most ?accurate ?open ?source implementation|reproduction|"
    "port|model|generator|library|engine|available|to",
    "leading implementation|reproduction|port|model|generator|library|engine",
    "most accurate|faithful|complete|reliable|precise implementation|reproduction|port|model|"
    "generator|"
    "library|engine|available|to",
    "set|sets|setting ?a ?new record",
    "new record on|for|of|in|at",
    "record breaking|setting|low @metric",
    "best in class",
    "top tier",
    "tops ?the leaderboard",
    "superior ?sample|image quality|performance|results|fidelity|to|generator|model|sample",
    "rival|rivals|rivalling|rivaling",
    "competitive with|results|quality|@metric",
    "better|lower|higher @metric|quality|results|fidelity .. than",
    "quality|results|fidelity|samples|numbers|performance .. better",
    "better|stronger|faster|sharper than .. @authority|baseline*|others|other|previous|prior|"
    "existing|"
    "diffusion|any|all|competing",
    "more accurate|faithful|efficient|precise than .. @authority|baseline*|others|other|"
    "previous|prior|"
    "existing|any|all",
    "cutting edge",
    "world class",
    "halve|halves|halved|double|doubles|doubled ?the @metric",
    "cut|cuts|reduce|reduces|reduced|lower|lowers|lowered|improve|improves|improved ?the "
    "@metric .. by",
    "@metric drops|falls|improves|rises ?by @number",
)
# Superiority told by what others are not.
SUPERIORITY_BY_NEGATION = (
    "second to none",
    "no other .. as|so",
    "no ?other implementation|reproduction|port|model|generator .. better|closer|comes|matches",
    "nothing|nobody|none .. comes|come close|near",
    "nothing|nobody .. beats|better",
    "without equal|peer|rival",
)
# Yes-words of a cell whose column or row asks the question.
YES = bag("yes ✓ ✔ ✅ true full done pass ok exact same")
