"""Lexical cues, as tables of phrases in the language of `verify.prose.words`.

Each table says what its phrases show. A phrase is added here, never as a rule in code, and each that
is added comes with a sentence in tests/verify/prose that needs it.
"""

from __future__ import annotations

# -- what is measured -----------------------------------------------------------------------------

# Names of common figures of merit -> canonical name. Facts and metric clauses of a pack add theirs.
METRICS = {
    "fid": "FID",
    "frechet inception distance": "FID",
    "fréchet inception distance": "FID",
    "sfid": "sFID",
    "kid": "KID",
    "kernel inception distance": "KID",
    "inception score": "Inception score",
    "precision": "precision",
    "recall": "recall",
    "accuracy": "accuracy",
    "f1": "F1",
    "bleu": "BLEU",
    "rouge": "ROUGE",
    "psnr": "PSNR",
    "ssim": "SSIM",
    "lpips": "LPIPS",
    "fvd": "FVD",
    "clip score": "CLIP score",
    "auroc": "AUROC",
    "auc": "AUC",
    "perplexity": "perplexity",
    "word error rate": "WER",
    "wer": "WER",
    "bits per dim": "bits per dim",
    "win rate": "win rate",
    "energy distance": "energy distance",
    "speed up": "speed-up",
    "speedup": "speed-up",
    "throughput": "throughput",
}
# Names that are other words in lower case.
METRICS_IN_CAPITALS = {"IS": "Inception score", "mAP": "mAP", "IoU": "IoU", "MSE": "MSE"}
# Before these names the word means something else: float32 precision, mixed precision, exact recall.
NOT_A_METRIC_AFTER = frozenset(
    "float32 float64 float16 bfloat16 fp32 fp16 fp64 tf32 bf16 bit mixed single double half full "
    "numeric numerical machine high low reduced arithmetic".split()
)
# Numbers of bits, which no precision, recall or accuracy is.
BITS = frozenset((4.0, 8.0, 16.0, 32.0, 64.0, 128.0))
SHARES = frozenset(("precision", "recall", "accuracy"))
NOT_A_METRIC_BEFORE = frozenset("that mode modes plugin".split())

# Words that may stand between a metric and its value: "FID of about 1.54", "FID (50k): 1.54".
METRIC_TO_VALUE = frozenset(
    "of is was are were be at = : ≈ ~ to from by below under above around about roughly nearly only "
    "just score value values reach reaches reached drops drop falls improves rises stays stayed got "
    "ends lands equals goes go went came comes sits down up as low high ↓ ↑ ( ) < > ≤ ≥ | * an a the comes out with".split()
)
# Words that part a metric from a value further on: "the FID of our samples on ImageNet is 1.54".
FAR_VALUE = frozenset("is was are reaches reached at equals".split())
# A value may stand before its metric: "1.54 FID", "84 % accuracy", "1.54 in FID".
VALUE_TO_METRIC = frozenset("% in points on of".split())
# A number before these counts something and is no figure of merit.
COUNTED = frozenset(
    "samples images steps epochs splits seeds gpus tpus hours days classes iterations runs clauses "
    "examples figures columns tables models parameters layers blocks tokens bit bits".split()
)
# A figure named after these is a setting, not a result: "the tolerance for FID is 0.1".
SETTINGS = (
    "tolerance|threshold|limit|margin|budget|floor|ceiling|target|targets|goal|requirement .. @metric",
    "@metric tolerance|threshold|limit|margin|target|goal|floor",
    "differ* .. from",
    "tolerance of @number",
    "within @number @metric",
)
# "The paper reports FID 1.54; we get 1.52": a number after these is one of the metric just named.
REACHED = (
    "get|gets|got|reach|reaches|reached|achieve|achieves|achieved|obtain|obtains|obtained|have|has|"
    "measure|measured|hit|hits|land|lands|is|are ?at ?a ?about @number",
)
# A number after these is a name: "ImageNet 256", "Table 5".
NAMES_NUMBERS = frozenset(
    "imagenet cifar ffhq celeba lsun coco mnist table tables section figure fig eq equation python "
    "version step epoch top layer algorithm appendix".split()
)
# Speed told in words.
SPEED = (
    "@number x|times|× faster|quicker|speedup|slower",
    "@number x|times|× that of",
    "@number x|times|× ?the speed|throughput",
    "@number x|× speed up",
    "@number % faster|quicker|slower",
    "@number % less|lower memory",
    "@number fold faster|speed|speedup",
)

# -- whose sentence it is -------------------------------------------------------------------------

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
NOT_AN_AUTHORITY_AFTER = frozenset("this our next later first new a every each my".split())
# And before these they qualify something else: "reference semantics".
NOT_AN_AUTHORITY_BEFORE = frozenset("semantics statistics eval".split())

# An authority says it. `@authority` is also a citation by name.
_REPORTS = (
    "report*|state*|claim*|say|says|said|give|gives|list|lists|has|have|had|show*|quote*|find|finds|"
    "found|obtain*|achieve*|attain*|reach*|get|gets|got|measure*|record*|publish*|ended|ends|print*|"
    "describe*|mention*|note|notes|present*|demonstrate*|contain*|use|uses|used"
)
SAYS = (
    f"@authority ?' ?and ?@authority ?@citation {_REPORTS}",
    f"@authority ?' 's table|readme|abstract|appendix|text {_REPORTS}",
    "according to .. @authority|@citation",
    "reported|quoted|stated|given|listed|claimed|measured|published by|in|from ?the @authority|@citation",
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
    "another|other|previous|prior|earlier|existing|public|third reproduction*|implementation*|run|runs|"
    "attempt*|method*|work|party",
    "reproduction|attempt|run that ended|stayed|failed",
    "by others|somebody",
)

# A sentence that begins with one of these speaks of what the sentence before it spoke of.
ANAPHORS = frozenset("its it their they".split())

# -- what is asserted -----------------------------------------------------------------------------

# Parity that needs no object.
PARITY_ALONE = (
    "faithful .. reproduction|implementation|port|reimplementation|replica|copy|rendition",
    "faithful ?to .. @authority",
    "true to ?the @authority",
    "faithfully reproduc*|implement*|replicat*|port*",
    "exact|true|perfect|carbon ?1:1 replica|copy|clone",
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
QUALITY = frozenset("good quality look looks level par comparable performance accurate strong".split())
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
    "reach*|attain*|achiev*|hit|hits|get|gets|train|trains|trained|deliver*|give*|yield*|offer* .. "
    "@authority ?'s ?' @metric|results|quality|performance|numbers|figures",
    "reach*|hit|hits|attain*|achiev* .. numbers|results|figures|values of|in|from",
    "is|are ?exactly|precisely|just that|those of",
    "is|are exactly|precisely ?the @authority",
    "byte for byte",
    "bit for bit",
    "close|near* to ?the @authority",
)
# After these the word is part of a name: flow matching, moment matching.
NOT_PARITY_AFTER = frozenset("flow score moment feature distribution pattern string glob".split())
# What parity may be with besides an authority.
PUBLISHED = (
    "published|reported|official|original figure*|number*|result*|@metric|curve*|table*|value*",
    "table|tables|algorithm|figure|equation|eq @number",
    "recorded output*|behaviour|behavior|trace*|value*|one|ones|sample|samples|loss*|step*",
)
# Clauses of a sentence are judged apart; a clause begins at each of these outside of brackets.
CLAUSE_BREAKS = (
    ";", " — ", " – ", ", but ", ", yet ", ", whereas ", ", while ", ", we ", ", our ", ", ours ",
    ", and we ", ", and our ", ": we ", ": our ", ", so ", ", it ", ", this ",
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
    "best ?performing|known|available|published|public open|implementation|reproduction|port|model|generator|library|"
    "engine|results|quality|in",
    "strongest|fastest|finest|leading ?and ?most ?accurate ?open ?source implementation|reproduction|"
    "port|model|generator|library|engine|available|to",
    "most accurate|faithful|complete|reliable|precise implementation|reproduction|port|model|generator|"
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
    "better|stronger|faster|sharper than .. @authority|baseline*|others|other|previous|prior|existing|"
    "diffusion|any|all|competing",
    "more accurate|faithful|efficient|precise than .. @authority|baseline*|others|other|previous|prior|"
    "existing|any|all",
    "cutting edge",
    "world class",
    "halve|halves|halved|double|doubles|doubled ?the @metric",
    "cut|cuts|reduce|reduces|reduced|lower|lowers|lowered|improve|improves|improved ?the @metric .. by",
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
YES = frozenset("yes ✓ ✔ ✅ true full done pass ok exact same".split())

# -- what takes the assertion back ----------------------------------------------------------------

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
    "has|have|had|is|are|was|were not|n't|never been",
    "is|are|was|were not|n't|never ?a|yet ?been reached|measured|shown|claimed|met|supported|goal|known|done",
    "is|are|was|were denied|forbidden|refused|unknown|missing|open|wrong|false|unsupported|unmeasured",
    "not|n't|never|nothing|cannot ?be ?been ?yet claimed|claim|measured|shown|said|say|says|supported|reached",
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
    "no .. claim|claims",
    "may ?not be called|claimed|said|stated",
    "parity .. is|are measured|checked|tested|decided|proven|held",
    "calls|call|called|calling itself|themselves",
    "the claim|word|phrase|sentence|term|statement|label",
    "claim|sentence|statement|overclaim ?that ?is \"|'|“",
    "such as \"|“",
    "said|says|say|saying|reads|read|writes|wrote \"|“",
    "overclaim*",
    "flags|flag|flagged",
    "claim @metric|@number",
    "to claim",
    "check|checks|test|tests|contract|contracts|clause|clauses|gate|gates|lint|verify|suite|assertion "
    "?also assert*|check*|compare*|verif*|ensure*|hold|holds|measure*|tell*|ask*|require*|refuse*|"
    "state*|say|says|guard*|catch|catches|fail*",
    "parity|equality|regression check*|test*",
    "is|are|be|gets|get|being ?also checked|tested|compared|verified|held|decided|asserted|guarded "
    "against|with|in|by|for|on|whether|.|;|)",
    "held|holds against",
    "means|mean that",
    "is surveyed|discussed|defined|explained|described",
    "describes|explains|discusses how|what|why",
    "needs|need|requires|demands|demand",
)
# The clause is a condition, a wish or a plan.
HYPOTHETICAL = (
    "if",
    "suppose|supposing|assume|assuming|imagine|provided|unless|until|once|in case",
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
)
# Before a cue and with no comma between: it is wanted, not had.
WISHES = (
    "aim|aims|aiming|aimed to|at|for",
    "goal|goals|target|targets|objective|ambition|plan|plans ?: ?is|are ?to",
    "hope|hopes|want|wants|wish|intend*|seek*|strive*|try|tries|trying|attempt*|plan|plans|planned to",
    "designed|meant|supposed|expected to",
    "work|working toward*|on",
    "will be",
    "how to",
    "gap to",
)
# `to match` is a purpose, except after these: "was able to match".
ACHIEVED_TO = frozenset("able managed shown found proven proved known happy seen demonstrated".split())
# A sentence that begins with one of these asks the reader to do something.
IMPERATIVES = frozenset(
    "run use compute compare see reproduce match evaluate train measure check report please call "
    "recall replicate install download set make ensure read write suppose consider let try keep "
    "pass look improve".split()
)
# A gerund after these, or at the start, names an activity: "for matching the paper".
ACTIVITY_AFTER = frozenset("for about of on when while by before after without".split())
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
    "tolerance|threshold|limit|target|goal|bound|expected|budget|samples|steps|needs|needed|default|"
    "example|examples|forbids|forbidden|allowed|floor|wanted|required|claim|missing|means|meaning|"
    "definition",
)
DENIED_BESIDE = (
    "denied|unknown|forbidden|missing|unmeasured|unsupported|no|none|planned|failed|fail",
    "not",
)

# -- code, and what presents its output as a result -----------------------------------------------

CODE_LANGUAGES = frozenset(
    "python py bash sh shell zsh console yaml yml json toml ini c cpp rust go js ts diff make sql "
    "dockerfile xml html latex tex bibtex mermaid powershell".split()
)
PRESENTED_AS_RESULT = (
    "result|results|we get|obtain|measured|measure|outcome|reach|reaches|achieve|achieves|score|scores",
    "final|our figures|numbers|result|results|table|scores",
    "we get|obtain|measured|measure|reach|achieve",
)
PROMPTS = ("$ ", "> ", ">>> ", "# ", "% ")

# -- evidence axes and semantics ------------------------------------------------------------------

# Words by which a text names the axis of a number.
AXIS_WORDS = {
    "paper-eval": ("paper eval",),
    "repo-eval": ("repo eval",),
    "proxy": ("proxy",),
    "smoke": ("smoke",),
    "external": ("external",),
}

# Words that carry no topic of their own.
STOPWORDS = frozenset(
    "a an the this that these those and or of in on at to for from by with without as is are was were "
    "be been being has have had do does did it its their them they he she there here which who whom "
    "all every each any both some such other than then so very too also only just not no nor "
    "we our ours us you your i my up down out over under into about per via after before when while "
    "within between can could may might will would shall should must yes model models".split()
)
INTENSIFIERS = frozenset(
    "fully full completely complete exactly exact perfectly numerically basically nearly almost "
    "essentially virtually practically literally arguably really truly clearly significantly much "
    "far well really now already still even correctly faithfully successfully always".split()
)
