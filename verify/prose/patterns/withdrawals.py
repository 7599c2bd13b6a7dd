"""What takes an assertion back: negations, wishes, conditions, talk about claims."""

from __future__ import annotations

from verify.prose.words import bag

# Before a cue, in the same clause and with no comma between: the cue is denied.
NEGATIONS = (
    "not|n't|never|cannot|nobody|neither|nor|hardly",
    "no one",
    "none of",
    "no ?such run|model|figure|number|evidence|claim|sentence|result|measurement|reason",
    "fail|fails|failed|failing|unable",
    "far from",
    "too early",
    "wrong to",
    "short of",
    "instead of",
    "rather than",
    "from being",
)
# These begin like a negation and are none.
NO_NEGATIONS = ("not only|just|merely|least", "no doubt", "not .. but")
# Anywhere in the clause: what is spoken of did not happen or may not be said.
DENIED = (
    "has|have|had|is|are|was|were not|n't|never ?yet ?a ?been ?yet reached|measured|shown|met|done|"
    "reproduced|claimed|verified|tested|evaluated|achieved|compared|trained|run|published|goal|"
    "established|attained|supported|known",
    "is|are|was|were denied|forbidden|refused|unknown|missing|wrong|false|unsupported|unmeasured",
    "not|n't|never|nothing|cannot ?be ?been ?yet claimed|claim|measured|shown|said|say|says|"
    "supported|reached",
    "not shown|measured|supported|claimed",
    "says nothing",
    "would|may|might|could need|be|get|have|require|become",
    "remains|remain|stays|left open",
    "too early",
    "reproduction|attempt failed",
    "no run|figure|evidence|clause|comparison",
)
# The clause is about claims, tests or words, not about results.
ABOUT_CLAIMS = (
    "whether",
    "may|can|could|must|should|to ?not|then|only|now claim|say|state|call",
    "to be called|claimed|said",
    "no .. .. claim|claims",
    "may ?not be called|claimed|said|stated",
    "parity .. is|are measured|checked|tested|decided|proven|held",
    "calls|call|called|calling itself|themselves",
    "the claim|word|phrase|sentence|term|statement|label",
    "claim|sentence|statement|overclaim ?that ?is \"|'|“",
    'such as "|“',
    'said|says|say|saying|reads|read|writes|wrote "|“',
    "overclaim*",
    "flags|flag|flagged",
    "claim @metric|@number",
    "to claim",
    "check|checks|test|tests|contract|contracts|clause|clauses|gate|gates|lint|verify|suite|"
    "assertion "
    "?also assert*|check*|compare*|verif*|ensure*|hold|holds|measure*|tell*|ask*|require*|"
    "refuse*|"
    "state*|say|says|guard*|catch|catches|fail*",
    "parity|equality|regression check*|test*",
    "is|are|be|gets|get|being ?also checked|tested|compared|verified|held|decided|asserted|"
    "guarded "
    "against|with|in|by|for|on|whether|.|;|)",
    "held|holds against",
    "means|mean that",
    "is surveyed|discussed|defined|explained|described",
    "describes|explains|discusses how|what|why",
    "claim|sentence|run|figure|comparison|statement|parity|@metric .. needs|need|requires|demands",
)
# The clause is a condition, a wish or a plan.
HYPOTHETICAL = (
    "if",
    "provided that",
    "in case",
    "suppose|supposing|assume|assuming|imagine|unless|until|once",
    "would|might|could",
    "should ?also ?be give|match|reach|equal|agree|reproduce|be|not|call",
    "must|shall",
    "has|have to match|reach|equal|agree|reproduce",
    "may be|have|become|differ|reach|match|one",
    "nobody|no one should",
)
NO_HYPOTHESES = (
    "should be noted|clear|mentioned|said|stressed",
    "if you like|love|need|want|prefer",
    "even if",
    "once trained|installed|converged|finished",
)
# Before a cue and with no comma between: it is wanted, not had.
WISHES = (
    "aim|aims|aiming|aimed to|at|for",
    "goal|goals|target|targets|objective|ambition|plan|plans :|is|are|was ?to",
    "hope|hopes|want|wants|wish|intend*|seek*|strive*|try|tries|trying|attempt*|plan|plans|"
    "planned to",
    "designed|meant|supposed|expected to",
    "work|working toward*|on",
    "will be",
    "how to",
    "gap to",
)
# `to match` is a purpose, except after these: "was able to match".
ACHIEVED_TO = bag("able managed shown found proven proved known happy seen demonstrated")
# A sentence that begins with one of these asks the reader to do something.
IMPERATIVES = bag(
    "run use compute compare see reproduce match evaluate train measure check report please call "
    "recall replicate install download set make ensure read write suppose consider let try keep "
    "pass look improve"
)
# A gerund after these, or at the start, names an activity: "for matching the paper".
ACTIVITY_AFTER = bag("for about of on when while by before after without")
# Headings, columns and cells under which nothing is asserted.
NOT_ASSERTED_UNDER = (
    "goal|goals|non goals|roadmap|planned|plans|todo|milestones",
    "future work",
    "not ?be claimed|said|say|measured|shown|claim",
    "may|must|cannot not ?be",
    "forbidden|forbids|overclaims|unsupported",
    "open questions",
)
SETTING_COLUMNS = (
    "tolerance|threshold|limit|target|goal|bound|expected|budget|samples|steps|needs|needed|"
    "default|"
    "example|examples|forbids|forbidden|allowed|floor|wanted|required|missing|means|meaning|"
    "definition",
)
DENIED_BESIDE = (
    "denied|unknown|forbidden|missing|unmeasured|unsupported|no|none|planned|failed|fail",
    "not",
)
