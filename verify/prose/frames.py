"""Denials, conditions, goals, questions and quotations: frames in which nothing is claimed.

Patterns are in the spelling of `verify.prose.text`; what looks like a frame and is none comes with
it.
"""

from __future__ import annotations

from verify.prose.text import pattern, words

# -- denial ---------------------------------------------------------------------------------------

# A denial of a lack is praise: "no worse", "does not lag behind", "not a bit differs".
LACK = words(
    """worse|inferior|fall short|falls short|short of|lag|lags|lagging|behind|difference*|differ
    differs
    degrad*|loss of|loss in|gap|deviat*|drop|sacrific*|compromis*|distinguish*|tell our|tell them
    tell which
    tell the|artefact*|artifact*|flaw*|weaker|slower|collapse|lost|loses|fails|fail|penalty
    discrepan*|diverge*|miss a|unterschied*|unterscheid*
    schlechter|abweich*|einbuss*|ecart|perte|moins bon*|diferencia*|peor|perdida
    差异|差距|损失|逊色|遜色
    差がない|劣"""
)
NEGATION = pattern(
    r"(?<![^\W_])(?:not|never|no|nor|neither|nobody|none|nothing|cannot|without|hardly|zero|"
    r"nicht|kein\w*|nie|ohne"
    r"|pas|jamais|aucun\w*|sans|ningun\w*|nunca|sin|non|nao|не|нет|ни)(?![^\W_])|n't(?![^\W_])"
    r"|没有|无|未|不|ない|ません|なし|なく|않|없|is gone|are gone|vanish\w*|disappear\w*"
)
NO_RIVAL = pattern(
    r"(?<![^\W_])(?:no|nothing|nobody|none|no one|not one|few|hardly any\w*|kein\w*|aucun\w*|"
    r"ningun\w*)(?![^\W_])"
    r"[^.;]{0,60}?(?<![^\W_])(?:better|close|beats?|beaten|match(?:es|ed)?|reached|equalled|"
    r"surpassed|rivals?|offers?|comes?|anywhere near|near this|near ours|touch\w*|approach\w*|"
    r"compete\w*"
    r"|as \w+|comparable (?!with|to)|than (?:ours|us|this|drift)|our|tell our|besser\w*|mieux|"
    r"mejor)(?![^\W_])",
    r"(?<![^\W_])(?:nothing|never|won't|cannot|can't|not|no)(?![^\W_])[^.;]{0,25}?(?:find|seen?|"
    r"exists?|simply|is|there's) (?:\w+ ){0,2}?better",
    r"nothing (?:\w+ ){0,2}better|no better (?:\w+ ){0,3}(?:out there|available|implementation|"
    r"generator)",
    r"(?:cannot|can't|can not|could not|hard to|impossible to) be (?:beaten|matched|surpassed|"
    r"topped|told)",
)
# What is denied when it follows the negation at once.
_DENIED = (
    r"reach|match|achiev|attain|beat|outperform|reproduc|replicat|equal|surpass|exceed|claim|"
    r"measur|train"
    r"|compar|state of|sota|identical|faithful|better|faster|the same|as good|a claim|evidence|"
    r"conclude|call"
    r"|read this|support|show|proven|established|hold|agree|coincid|report|state|given|"
    r"yet (?:been )?\w+"
    r"|good enough|on par|reach\w+|known|evaluat|obtain|a result|a statement|be read|be taken|"
    r"mean|imply|make"
    r"|promise|say|sure|certain|tested|checked|shown|bit|equivalent|lossless|published"
)
_ADVERBS = (
    r"(?:yet|been|be|have|has|had|currently|fully|in any way|so far|claim(?:ed)? to|claiming|"
    r"try to|aim to|"
    r"attempt to|say that|known whether|necessarily|by itself|itself|to|a|an|the|any|it|this|"
    r"that|these|of)"
)
DENIAL = pattern(
    rf"(?<![^\W_])(?:not|never|cannot|nor|n't)\s+(?:{_ADVERBS}\s+){{0,3}}(?:{_DENIED})",
    rf"n't\s+(?:{_ADVERBS}\s+){{0,3}}(?:{_DENIED})",
    r"(?<![^\W_])(?:no|without|any)\s+(?:\w+\s+){0,2}?(?:claims?|evidence|figures?|fid|number|"
    r"metric|score|evaluation"
    r"|statement|promise|measurement|result|comparison|kid)(?![^\W_])",
    r"(?<![^\W_])no (?:\w+ ){1,2}(?:is|are|was|were) (?:yet )?(?:comparable|claimed|measured|"
    r"known|faithful|reported|given)(?![^\W_])",
    r"(?<![^\W_])nothing (?:here|in this \w+) (?:is|was|has|can)(?![^\W_])",
    r"(?<![^\W_])(?:nobody|no one|none)\s+(?:has|have|here|yet|can say|should)",
    r"(?<![^\W_])(?:unable to|fails? to|failed to|far from|unknown|undecided|unclear|denied|"
    r"denies|open whether|too early"
    r"|remains open|missing|forbidden|forbids?|wrong to|refus\w+|unlike|unproven|unsupported|"
    r"withdrawn|retracted)(?![^\W_])",
    r"(?<![^\W_])(?:nicht|kein\w*|noch nie)(?![^\W_])|\bne\b.{1,25}\bpas\b|n'\w+ pas|\bno (?:se|"
    r"ha|han|hemos|alcanza|iguala|supera|es)\b"
    r"|尚未|没有|未能|并未|不能|無|していません|していない|ません|ではない|(?<!\w)не(?!\w)|않",
)
# A denial that follows what it denies.
TRAILING = pattern(
    r"(?<![^\W_])(?:is|are|has|have|was|were|does|do)(?:\s+(?:not|never)|n't)\s+(?:yet\s+|"
    r"been\s+|to be\s+)*"
    r"(?:a goal|the goal|our goal|an aim|claim\w*|shown|measured|reached|reproduced|achieved|"
    r"proven|known|established|tested|attained"
    r"|matched|checked|verified|supported|met|guaranteed|intended|settled|available|evaluated|"
    r"confirmed)(?![^\W_])"
    r"(?!\s+(?:before|until|by (?:any|other|anyone)))",
    r"(?<![^\W_])(?:parity|agreement|equality) (?:is|was) (?:measured|checked|tested|held|"
    r"verified|computed)",
    r"(?<![^\W_])would (?:get|need|require|count|be|give|mean|earn|cost|take|allow|"
    r"support)(?![^\W_])",
    r"(?<![^\W_])(?:is|are|was|were|stays?|remains?|be) (?:still )?(?:denied|forbidden|unknown|"
    r"open|unclear|missing|refused|undecided|unproven|wrong|pending)(?![^\W_])",
)
NOT_A_DENIAL = pattern(
    r"(?:not|n't) (?:\w+ )?(?:only|merely|just|simply|even)|(?:hard|difficult|impossible|"
    r"can't help|have) not to"
    r"|never fails?|nothing is lost|(?:not|n't|cannot) fail|no (?:doubt|question|exaggeration|"
    r"secret|coincidence)|nicht (?:nur|schlechter|zu)|pas (?:seulement|moins)"
    r"|no (?:solo|es peor)"
    r"|不仅|不亚于|不逊|だけでなく|не только|(?:cannot|can't|n't|not) be (?:beaten|"
    r"matched|told|distinguished)"
    r"|(?:cannot|can't|could not|couldn't|not) (?:tell|distinguish)|why not|not (?:un|in)\w+|"
    r"no (?:longer|wonder)",
)

# -- frames in which nothing is claimed -----------------------------------------------------------

FRAME = pattern(
    r"(?<![^\W_])(?:if|whether|unless|suppose|supposing|assume|assuming|would|goal|goals|aims?|"
    r"target|targets|plans?|planned|hopes?"
    r"|intends?|wish|until|in order to|to be|to claim|counts? as|claims? (?:about|that|of|to)|"
    r"requires?|might"
    r"|needs? to|needed to|has to|have to|before|tells? whether|decides?|asks?|may (?:be|claim|"
    r"only)|ought|todo|wanted"
    r"|example of|instructions|how to|please|when|where|ob|wenn|ziel|soll|si|objectif|objetivo|"
    r"目标|目標|如果|ならば)(?![^\W_])",
    r"(?<![^\W_])(?:should|must|shall|sollte|muss|doit|debe)(?![^\W_])(?!\s+(?:be noted|be said|"
    r"be mentioned|admit|say|note"
    r"|be clear|be the|now|already|use|try|switch|choose))",
    r"(?<![^\W_])(?:tests?|checks?|clauses?|contracts?|gates?|lint\w*|rules?|falsifiers?|"
    r"assert\w*|suite|scripts?|ci|bench\w*|verifier)\s+(?:that\s+)?"
    r"(?:\w+\s){0,3}?(?:compares?|asserts?|checks?|refuses?|flags?|asks?|requires?|holds?|"
    r"measures?|decides?|keeps?|run|runs|states?|reads?|forbids?)(?![^\W_])",
    r"(?<![^\W_])(?:is|are|was|were) (?:compared|checked|tested|held|measured|computed|decided|"
    r"verified|asserted|denied|estimated|evaluated) (?:against|with|by|from|on|as|in|to)",
    r"^(?:compute|compares?|measure|evaluate|see|check|verify|report|write|record|state|quote|"
    r"cite|name|do not|don't|never|avoid|use|run|set|note)(?![^\W_])(?!\W+(?:of|breaking|"
    r"the art)\b)",
    r"^\w+ing\b[^,;]{3,50}? (?:is|are|was|takes|costs|needs) (?:\w+ )?(?:expensive|hard|"
    r"difficult|slow|easy|costly|time|work|effort|tricky)",
    r"^reproduce .{0,40} (?:with|run) \w+ (?:\w+ )?(?:--|\S+\.py)",
)
# A frame is none where what follows it is said of us as a fact.
NOT_A_FRAME = pattern(
    r"if you (?:want|need|like|look|love|are looking)|when (?:trained|run|evaluated|using|you)|"
    r"where (?:we|our|it)|"
    r"(?:checked|verified|tested|proved|showed|shown|confirmed?|confirms?|prove|proves|show|"
    r"shows|demonstrate\w*) that",
    r"would (?:have )?(?:won|beaten|beat|topped|win)|how to (?:reach|get|beat|match)|"
    r"before (?:long|you)|until now|when it comes|no need to|the need to|without (?:having|"
    r"needing) to",
)
DEFINES = pattern(
    r"^\W*(?:\w+\W+){0,3}?(?:means?|is defined|is called|denotes?|refers? to|stands for|bedeutet|"
    r"heisst)(?![^\W_])"
)
MENTION = pattern(
    r"(?:sentences?|phrases?|words?|claims?|texts?|strings?|overclaims?|titles?|drafts said|"
    r"example)(?:\s+(?:such as|like|is|of|says?|said))*"
    r"[\s:,]*[\"'][^\"]{2,90}?[\"'](?![^\W_])",
    r"(?<![^\W_])(?:word|term|phrase|label)s? (?:sota|\w+)(?= (?:is|are|may|must|means))",
    r"state of the art (?:is|are) (?:surveyed|reviewed|discussed|described|summari[sz]ed)",
)
FORM_WORDS = words(
    "notation|names|symbols|terminology|naming|layout|numbering|hyperparameters|shape|shapes|"
    "dtype|defaults|format|licence|license|spelling"
)

NOT_A_RESULT = words(
    "tolerance|tolerances|allowed|samples|sample count|count|threshold|steps|seeds|batch|default|"
    "epochs|bound|toleranz"
)
PURPOSE = pattern(
    r"^\W*(?:goals?|targets?|aims?|todo|objectives?|milestones?|examples?|wanted|question|"
    r"hypothesis|ziel|objectif|目标)\W*$"
)

YES = pattern(
    r"^\W*(?:yes|yep|yeah|indeed|absolutely|definitely|of course|certainly|sure|without a doubt|"
    r"it (?:does|is|can|will|did)"
    r"|they (?:do|are|can)|we (?:do|can|did)|you (?:bet|can|found)|look no further|down to|"
    r"totally|100|exactly|very much"
    r"|no doubt|we think so|i think so|ours|easily|with|thanks|and here|here|correct|right|ja|"
    r"oui|si|sim|да|是|はい|对|예|네|affirmative|in every|every|all of|here it is|this is it|✓|"
    r"✅)(?![^\W_])"
    r"|^\W*(?:是的|はい|当然|もちろん)",
)
AFFIRMED = pattern(
    r"^\W*(?:yes|y|ja|oui|si|sim|да|full(?:y)?|complete(?:ly)?|exact(?:ly)?|identical|true|"
    r"100 ?%|pass(?:ed)?|ok|done|achieved|reached|perfect|best|是|はい|有|全部)\W*$"
    r"|[✓✔✅☑🟢👍●◎○🏆🥇⭐]"
)
UNANSWERED = pattern(
    r"(?<![^\W_])(?:not|no|never|nobody|unknown|unclear|depends?|see|read|run|cannot|open|yet|if|"
    r"only|ask|nein|non|nicht)(?![^\W_])|n't|不|ない|没"
)
OPEN_QUESTION = pattern(
    r"^\W*(?:does|do|did|is|are|was|were|can|could|will|would|should|has|have|what|which|where|"
    r"when|how (?:is|are|do i|does one|was|many|much)"
    r"|ist|sind|kann|est-ce|puede|how can i)(?![^\W_])"
)

# -- who is quoted --------------------------------------------------------------------------------

SAYS = (
    r"(?:reports?|reported|states?|stated|lists?|listed|gives?|gave|obtains?|obtained|writes?|"
    r"wrote|says?|said|claims?"
    r"|claimed|finds?|found|shows?|showed|quotes?|quoted|has|have|had|reach(?:es|ed)?|achiev\w+|"
    r"ended|ends|puts?|"
    r"measured?|names?|cites?|attains?|attained|nennt|berichtet|erreicht|meldet|rapporte|indique|"
    r"annonce|informa|reporta|reportan|indica|riporta)"
)
TELLS = (
    r"(?:says?|said|writes?|wrote|claims?|claimed|reports?|reported|states?"
    r"|stated|finds?|found|argues?|shows?)"
)
ACCORDING = (
    r"(?:according to|as reported (?:by|in)|reported (?:by|in)|stated in|quoted from|taken from|"
    r"given in|from|(?<!as )(?<!like )in|per|by"
    r"|laut|nach|gemass|im|in der|selon|d'apres|dans|segun|secondo|segundo|根据|据|согласно)"
)
ABOUT_A_SOURCE = pattern(
    rf"(?:^|[\s,;(])(?:paper|authors?|release|reference|publication|article|upstream|baselines?|"
    rf"deng|readme|table \d)(?:'s?)?\s(?:\w+\s){{0,4}}?{SAYS}(?![^\W_])",
    r"(?:as|like) in (?:the )?(?:paper|release|reference|table)|(?:compared?|difference|against|"
    r"according|recorded|cited|quoted|read from|taken from|licen[cs]e)",
)
PASSIVE = pattern(
    r"(?:is|are|was|were|been|gets?|being)\s+(?:\w+ly\s+|also\s+|now\s+|thus\s+)?(?:match|"
    r"reproduc|reach|replicat|beat|surpass|exceed"
    r"|outperform|met\b|hit\b|recover|attain|achiev|regenerat|mirror|equal|confirm|within reach|"
    r"ours)\w*",
    r"can be (?:\w+ly )?(?:regenerat|reproduc|match|reach|replicat|beat|recover)\w*|"
    r"^reproduction of|reproduction (?:of [^.]{3,40} )?is complete",
)
FOREIGN = pattern(r"\([a-z][^()\d]{1,60}[, ] ?(?:19|20)\d{2}[a-z]?\)")
ALIASES = {
    "paper": r"(?:the |original )*(?:paper|publication|article|preprint|papier|aufsatz|articulo|"
    r"artigo|articolo|论文|論文|стать\w+)\w*"
    r"|authors?|deng(?: et al\.?)?|arxiv[\s:]*2602\.04770\w*|autoren|auteurs|autores",
    "reference": r"(?:authors'? |official |jax |original |their |own )*(?:release|reference|"
    r"readme)\w*|(?:released|published|authors'|official) checkpoints?|authors?|official code|"
    "upstream|jax code",
    "community": r"(?:the |a |public |pytorch |community )*reproduction|community|drift[\s-]models",
}
AXIS = {
    "paper-eval": r"paper[\s-]?eval", "repo-eval": r"repo[\s-]?eval", "proxy": r"proxy",
    "smoke": r"smoke", "external": r"external",
}  # fmt: skip
