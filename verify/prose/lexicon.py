"""Words that bring a sentence into the net, and the few frames in which they claim nothing.

Lists are in the spelling of `verify.prose.text.words`: `stem*`, a space or a hyphen for either. They
are wide on purpose: what is caught and claims nothing is told apart by a frame here or by a marker.
"""

from __future__ import annotations

from verify.prose.text import pattern, words

# -- what is measured -----------------------------------------------------------------------------

METRIC = pattern(
    r"(?<![^\W_])s?f[\W_]{0,2}[i1l][\W_]{0,2}d(?![^\W\d_])",
    r"frechet[\s-]*(?:inception[\s-]*)?dist\w*",
    r"(?<![^\W_])(?:kid|fvd|lpips|psnr|ssim|fdd|cmmd)(?![^\W_])",
    r"inception[\s-]*(?:score|distan[zc]\w*)|clip[\s-]*score|弗雷歇|フレシェ|фреше|프레셰",
)
# Words that name a metric only beside a share, a percentage or a score.
SHARE_METRIC = words(
    """accuracy|precision|recall|coverage|density|top 1|top 5|score|scores|agree*|agreement|genauigkeit
    prazision|trefferquote|precision|rappel|exactitud|precisione|acuracia|точност*|准确率|精度|正解率
    parity|reproduc*|match*|success rate|fidelity|正确率|정확도"""
)
SPEED = pattern(
    r"(?:\d[\d.,]*|two|three|four|five|ten|twice|double|half|many|several|an? order\w* of magnitude)"
    r"[\s-]*(?:x|×|times|fold|-fold|percent|%|mal|fois|veces|volte|vezes|раз\w*|倍|as|the)?[\s-]*"
    r"(?:as\s|the\s|less\s|more\s|fewer\s|lower\s|higher\s)?(?:faster|quicker|slower|speed[\s-]?up"
    r"|throughput|memory|cheaper|as fast|fast\b|schneller|plus rapide|mas rapido|piu veloce|高速|速度|更快|快)",
    r"half (?:the|as much) (?:memory|time|cost)|(?:third|quarter|half|fraction|tenth) (?:of )?the "
    r"(?:time|memory|cost|compute|price|parameters)",
    r"\d[\d.,]*\s*k?\s*(?:images|samples|img|steps|it)\s*(?:per second|/\s*s(?:ec)?\b|a second)",
    r"(?:speed[\s-]?up|throughput|faster|quicker|slower)\D{0,25}\d[\d.,]*\s*(?:x\b|×|times|fold|%|mal|倍)",
    r"快[^,。]{0,3}倍|倍[^,。]{0,2}(?:快|速)|(?:blazing|lightning|insanely|ultra|super|crazy)(?:ly)?[\s-]*(?:fast|quick)",
)

# -- figures --------------------------------------------------------------------------------------

# Numbers that are no figure of a metric: they count, date, name or place something.
NO_FIGURE = pattern(
    r"imagenet[\s-]*(?:1k|\d+)(?:\s*[x×]\s*\d+)?|\d+\s*[x×]\s*\d+(?:\s*[x×]\s*\d+)?(?![^\W_])",
    r"(?<![\d.,])\d+(?:[,. ]\d{3})*k?(?:[\s-]|\b)(?![\s-]*(?:%|percent))(?:(?!(?:for|of|after|with|on|in|at|to|from|by|using|and|or|our|is)\b)[a-z]+[\s-]){0,2}?(?:samples?|images?|steps?|epochs?|class(?:es)?|runs?|seeds?|gpus?"
    r"|tpus?|cpus?|hours?|minutes?|seconds?|days?|weeks?|pixels?|clauses?|points?|tests?|files?|bits?"
    r"|evaluations?|splits|parameters?|layers?|channels?|px|gb|mb|hz|nfe|digits|mode[ls]|columns?|cores?"
    r"|configurations?|bilder|schritte|stichproben|klassen|pas|images?|etapes?|muestras|pasos|步|张|枚|ステップ)(?![^\W_])",
    r"(?<![^\W_])(?:one|two|three|four|five|single|few|many)[\s-](?:step|pass|shot|class|dim\w*|gpu|sample)\w*",
    r"(?<![^\W_])(?:tables?|tab|sections?|sec|fig(?:ure)?s?|eqs?|equations?|appendix|page|p|chapter|row|line|algorithm|alg|"
    r"version|v|release|issue|no|nr|step|seed|python|pytorch|torch|cuda|jax|top|conf|dec|tier|k|n|rtx|"
    r"tabelle|tableau|tabla|表|図|图|interface)[\s.#-]*\(?\d+(?:[.,]\d+)*(?:\s*(?:,|and|to|-)\s*\d+(?!\.))*\)?(?![^\W_])",
    r"(?<![^\W_])(?:k|n|t|m|d|w|alpha|cfg|guidance|lr|nfe|width|depth|temperature|tau|decay)"
    r"\s*(?:=|:|of)?\s*\d[\d.,e-]*(?!\s*%)",
    r"fid[\s-]*\d+\s*k\b|(?:s?fid|is)[\s-]?(?:50|10|5|30)k?\b(?=\s*(?:=|of|:|is|was|[\d~≈<(]|$))",
    r"(?<![^\W_])[a-z]+/\d+|\b[a-z]+\d+(?:[a-z]\w*)?\b(?!\.)|float\s?\d+|(?!sub|fid|fvd|kid)\b[a-z]+-\d+k?\b(?!\.)",
    r"\d{4}-\d{2}-\d{2}|(?:arxiv\W*)?\d{4}\.\d{4,5}(?:v\d)?|\b(?:19|20)\d{2}[a-z]?\b(?![.,]\d)|\[\d[\d, -]*\]",
    r"(?<![\d.])\d{1,3}(?:,\d{3})+(?!\d|\.\d)|\d+\.\d+\.\d+\S*|\d+(?:st|nd|rd|th)\b",
    r"(?:tolerance|threshold|toleranz|tolerancia|atol|rtol)\D{0,24}?\d[\d.,e^-]*",
    r"\d+\s*(?:of|out of)\s*\d+|[_^]\(?\d+|(?:test|branch|code|line) coverage\D{0,12}\d+\s*%?|\d+\s*% (?:test|branch|code|line)?\s*coverage",
)
_DIGIT = "zero|one|two|three|four|five|six|seven|eight|nine|ten|null|eins|zwei|drei|vier|funf|un|deux|trois|uno|dos|tres"
FIGURE = pattern(
    r"\d+(?:[.,']\s?\d+)*(?:e[+-]?\d+)?\s*(?:%|percent|prozent)?",
    rf"(?:{_DIGIT})[\s-]+(?:point|komma|comma|virgule|coma|punto|virgola)[\s-]+(?:{_DIGIT})(?:[\s-]+(?:{_DIGIT}))*",
    rf"(?:(?:below|under|above|beyond|than|of|to|at|is|unter|sous|past)\s|sub[\s-])(?:{_DIGIT}|zero)\b(?![\s-]\w*(?:step|pass|network|forward|gpu|class|model|run|seed|sample))",
    r"in the (?:low |high |mid |very low )?(?:ones|twos|single digits|teens)|[零一二三四五六七八九]+点[零一二三四五六七八九]+|(?:single|low|double)[\s-]digits?|near[\s-]zero",
)
# In printed output, where a formula or a log has many numbers, the figure stands beside its metric.
BESIDE = pattern(rf"(?:{METRIC.pattern})\w{{0,12}}[^\w(^]{{0,25}}\d|\d[\W]{{0,4}}(?:{METRIC.pattern})|\w{{0,9}}(?:{SHARE_METRIC.pattern})[^\w(]{{0,25}}\d")
CHANGE = words(
    """halv*|cut|cuts|drop*|improv*|lower*|reduc*|boost*|slash*|push*|record|best|low|lowest|great|good
    excellent|impressive|better|new|halbier*|senk*|verbesser*|amelior*|mejor*|reduit|降低|提升|改善|向上|improves"""
)

# -- comparisons ----------------------------------------------------------------------------------

TARGET = words(
    """paper*|author|authors|reference|references|release|released|releases|original|originals|official
    published|publication|upstream|jax|deng|table 5|table 6|tables 5|reported|headline|baseline|baselines
    referenz*|originale*|veroffentlich*|autoren|artikel*|aufsatz*|implementierung der|article|papier
    auteurs|officiel*|publie*|reference|articulo|artigo|articolo|autores|autori|referencia|oficial
    publicad*|riferimento|ufficial*|оригинал*|стать*|автор*|эталон*|论文|官方|参考|原作|原版|原始|発表|論文|公式|参照|原著
    원본|논문|공식|레퍼런스|theirs|state of the art|ground truth|tpu version"""
)
RIVAL = words(
    """diffusion|gan|gans|stylegan*|dit|edm|edm2|consistency models|competitor*|competing|rival*|competition
    alternative*|any other|every other|all other|other one step|other public|other open source|any public
    others|anyone|anything|everything else|prior work|previous work|earlier methods|existing|all previous
    all existing|all known|of the field|rest of|leaderboard|alle anderen|bisherigen|tous les autres|todos
    tutti|所有|现有|其他|従来|既存|他の|всех|모든|기존|imagen|biggan|flow matching|one step generator*|previous best"""
)
OURS = words(
    """we|our|ours|us|i|my|mine|this repo*|this work|this engine|this implementation|this port|this package
    this project|this model|this code|this library|this reproduction|here|the engine|the port|wir|unser*
    notre|nos|nous|nuestr*|nosso|nostr*|наш*|我们|本项目|本模型|本文|当社|我々|本手法|私たち|우리|己"""
)
PARITY = words(
    """match|matches|matched|matching the|equal|equals|equalled|equivalen*|identical*|identic*|coincid*|agree|agrees|agreed|agreement
    same|on par|par with|parity|indistinguishab*|reproduce|reproduces|reproduced|reproducing|reproduction of|replicat*|faithful*|mirror*|line up|lines up
    lined up|overlay*|exact|exactly|interchangeable|drop in|good as|accurate as|comparable|compatible
    level of|hold up|holds up|hold its own|holds its own|stand up to|stands up to|keep up|keeps up|keeps pace
    as published|like those|deliver*|ballpark|toe to toe|neck and neck|up to par|converged to|close to|precisely as|as advertised|as promised|as described|uberein|bit genau|bitgenau|clone of
    virtually the same|just as|every bit as|no different|stacks up|measures up|up there with
    one to one|1 to 1|lossless*|true to|recreat*|regenerat*|live up|lives up|down to the last|to the last bit
    last digit|bit for bit|like the|just like|every detail|every bit|reach*|recover*|hit|hits|attain*
    achiev*|obtain*|within noise|in line with|consistent with|tell apart|gap to|closes the gap|closed the gap
    approaches|on a par|implements|translation of|faithfulness|as the one in|equal to|look* like
    identisch*|gleich*|stimm* uberein|ubereinstimm*|entspr*|reproduzier*|originalgetreu*|ebenburtig
    genauso|erreich*|identique*|meme|memes|reproduit|fidele*|fidelement|egale|equivaut|coincid*|identic*
    iguala*|mismo*|igual*|replic*|reproduce*|riproduc*|uguale|identici|corrispond*|corresponde*
    идентич*|совпада*|воспроизв*|一致|复现|再现|再現|相同|等同|同等|同じ|还原|媲美|匹敌|比肩|遜色|匹敵|동일|재현|일치"""
)
# A source that something is held beside, and what one does with a source without claiming anything.
BESIDE_SOURCE = pattern(
    r"(?:\w|['\"),])\s(?:\w+\s){0,3}?(?:(?:the|its|their|that of|those of|deng|any|every|to|than|with|by|from|as)\s)(?:\w+\s){0,2}?"
    r"(?:paper|authors?|references?|release|original|official (?:code|release|implementation)|upstream|publication|published \w+|tpus?|jax (?:code|release|version)|article)(?:'s?)?(?![^\W_]|-)"
)
USE_OF_SOURCE = pattern(
    r"(?<![^\W_])(?:follow\w*|us(?:e|es|ed|ing)|cit\w+|thank\w*|grateful|see|read|reads|reading|load\w*|map\w*|import\w*|stor\w+|record\w*|compar\w+"
    r"|tak(?:e|en|es)|contain\w*|includ\w+|licen[cs]e\w*|quot\w+|link\w*|download\w*|convert\w*|name[ds]?|call(?:ed|s)?|list\w*|parse\w*|describ\w+"
    r"|defin\w+|depart\w*|differ\w*|disagree\w*|govern\w*|against|mismatch\w*|under|between|traces?|recordings?|lines?|as in|is the|are the|is an?|place|scale|semantics|comes?|from each|notation|hyperparameters?|settings?|document\w*|written|wrote|question\w*|answers?"
    r"|says?|states?|according|note[ds]?|available|due to|credit\w*|belongs?|copy|copied|copies|translat\w+|checked|tested|held|based on|values?|options?"
    r"|table \d|section|appendix|where|which|who|details|license|version|folder|file|path|url|repository|checkpoint\w*|argument|branch|tag|index|notes)(?![^\W_])"
)
# Said of anything, these claim agreement; a weak one needs a target beside it.
STRONG_PARITY = pattern(
    r"bit[\s-]*(?:for[\s-]*bit|identical\w*|exact\w*|wise)\s*(?:\w+\s){0,3}?(?:as|to|with|of|than) the",
    r"(?:everything|all outputs?|outputs? (?:is|are)|loss (?:is|are)) (?:is |are )?(?:bit|numerically)[\s-]*(?:identical|exact)",
    r"full(?:y)? parity|numerical(?:ly)? (?:identical|equivalent|parity)|identical results?|same results?",
    r"(?:faithful|exact|complete|full|successful|perfect|true|accurate) (?:re)?(?:production|implementation|replication|port)\b",
    r"(?:faithfully|fully|completely|successfully|perfectly) (?:reproduc|replicat|implement|match|mirror)\w*",
    r"reproduces? (?:all |every |the )?(?:\w+ )?(?:results?|figures?|numbers?|scores?)",
    r"(?:results?|figures?|numbers?|scores?)(?: \w+)? (?:is|are|was|were|,)? ?reproduced",
    r"(?:conversion|import|port)\w*(?: \w+){0,3} (?:is |are )?lossless|paper[\s-](?:level|grade|accurate|quality|perfect)",
    r"same (?:images|scores|numbers|quality|outputs)|indistinguishable|result[\s-]compatible|sota",
    r"(?:on par|on a par|neck and neck|toe to toe) with|(?:nicht|kaum) (?:\w+ )?zu unterscheiden|indiscernable|indistinguib\w+|无法区分|見分け",
    r"(?:reproduction|implementation|port|engine|code|model|loss|library|conversion)\s(?:\w+\s){0,4}?(?:is|are|be|been) (?:\w+ ){0,2}?(?:faithful|correct|exact|accurate|identical|equivalent|lossless|perfect|verified|validated)\b",
    r"完全一致|逐位一致|完全复现|完全に一致|完全再現|同等性能",
)
SUPERIOR = words(
    """outperform*|surpass*|beat|beats|beating|beaten|exceed* the paper|unmatched|unrival*|unbeat*|unequal*
    unparallel*|unprecedent*|state of the art|sota|record breaking|record setting|new record on|set a record|sets a record|set a new record
    world class|best in class|cutting edge|second to none|in a league|leader|leaders|leading|dominat*|crush*
    in the dust|out of the water|comes close|come close|edges out|outshin*|outclass*|superior*|eclips*
    top of the|number one|groundbreaking|game chang*|world's first|first ever|undisputed|trounc*
    improve upon|improves upon|improve on the|improves on the|a step ahead|leapfrog*|overtak*|tops
    de facto|circles around|preferred to|preferred over|prefer ours|king of|gold standard|rivals|rival the|rivalling|trumps|wins against|wins on|win over|pareto|next level
    ubertr*|uberleg*|uberbiet*|stand der technik|spitzen*|weltklasse|unerreicht*|unschlagbar*|schlagt|schlagen|schlug
    surpass*|depass*|etat de l'art|l'etat de l'art|inegale*|imbattable|devance*|meilleur*|supera|superan
    superamos|superior*|estado del arte|estado da arte|stato dell'arte|insuperable*|inigualable*|mejor*
    supera*|batte|migliore|insuperabil*|melhor*|превос*|превзош*|лучш*|непревзойд*|обходит|передов*
    优于|超越|超过|领先|最先进|最优|最佳|最好|无与伦比|胜过|击败|业界|第一|最強|最高|最先端|最速|上回|凌駕|超え|卓越|優れ
    능가|최고|최첨단|뛰어|앞서|state of the arts"""
)
COMPARATIVE = words(
    """better|faster|sharper|stronger|lower|higher|fewer|smaller|cheaper|quicker|cleaner|closer|finer|greater
    worse|slower|weaker|more|less|besser*|schneller*|scharfer*|weniger|genauer*|plus|moins|mas|menos|piu|meno
    mais|лучше|быстрее|выше|ниже|更好|更快|更高|更低|より|더"""
)
THAN = words("than|als|que|di|do que|чем|比|より|보다|compared|relative to|versus|vs|over the|against")
# What a result is called; beside a source it says that we have that source's result.
OUTCOME = words(
    """result|results|figures|numbers|quality|scores|level|performance|samples|images|fidelity|metrics|curves
    accuracy|grade|ergebnisse|resultats|resultados|risultati|效果|结果|性能|結果|результат*|결과"""
)
GAINED = words(
    """get|gets|got|getting|expect|produce*|deliver*|yield*|give you|gives you|show|shows|have|has|train*|achiev*
    reach*|obtain*|recover*|come out|comes out|is|are|grade|level|ours|bring*|offer*|provid*|land*|see"""
)
SUPERLATIVE = pattern(
    r"(?<![^\W_])(?!test|rest|latest|request|interest|nearest|largest|newest|oldest|manifest|digest|suggest|earliest|honest|longest|shortest|fewest|least|pytest|modest|forest|west|invest|guest|quest|protest|contest|harvest|attest|crest|nest)"
    r"\w{3,}est\s(?:\w+\s){0,3}?(?:generators?|implementations?|ports?|reproductions?|images?|samples?|results?|around|out there|available|quality|models? (?:around|yet|ever))(?![^\W_])",
    r"(?<![^\W_])(?:best|fastest|strongest|sharpest|finest|cleanest|lowest|highest|greatest|only|leanest|smallest"
    r"|most \w+|closest|top)(?![^\W_])(?:[\s-]+\w+){0,3}?[\s-]+(?:generators?|implementations?|ports?|models?|reproductions?"
    r"|librar\w+|methods?|quality|results?|fid|images?|samples?|available|open[\s-]source|engines?|codebases?|scores?"
    r"|replications?|framework|to date|so far|yet|ever|you can|out there|in the world|on the market)(?![^\W_])",
    r"(?:schnellste|beste|genaueste|scharfste)[rnms]?\s|plus rapide (?:du|des|de)|le plus \w+ des|el mas \w+ de|#\s?1\b",
)
NOT_SUPERLATIVE = pattern(
    r"(?:keeps?|saves?|picks?|selects?|restores?|loads?|returns?|stores?|takes?|finds?|tracks?|chooses?|uses?|the|at|of|its|lowest|writes?)"
    r"\s+(?:the\s+|its\s+)?(?:best|lowest|highest|smallest|top|most recent|closest)[\s-]+(?:\w+\s)?"
    r"(?:checkpoints?|alpha|guidance|loss|value|weights?|validation|step|score|epoch|fid on|model (?:by|on|so|is|by))",
    r"(?:most|only) (?:of|recent|common|one|two|three|if|when|where|on|in|the|be|for)",
)

# -- praise ---------------------------------------------------------------------------------------

PRAISE = words(
    """photo realis*|photorealis*|photo real|lifelike|stunning*|flawless*|crisp|high fidelity|high quality
    outstanding|excellence|impressive*|remarkabl*|astonish*|amazing*|incredibl*|superb*|breathtaking
    gorgeous|pristine|rock solid|production ready|production grade|battle tested|bullet proof|exceptional*
    unbelievabl*|phenomenal|top notch|top quality|perfection|spectacular|razor sharp
    artefact free|artifact free|thing of the past|never diverges|always converges|trains reliably|blazing*
    lightning fast|ultra fast|revolution*|unleash*|mind blowing|jaw dropping|realism
    hervorragend*|exzellent*|beeindruckend*|makellos*|fotorealist*|gestochen scharf*|brillant*|traumhaft*
    epoustouflant*|remarquable*|exceptionnel*|irreprochable*|impresionante*|excelente*|impecable*|hiper*realista*
    eccezional*|impressionant*|eccellent*|потрясающ*|отличн*|безупреч*|фотореалист*|高品質|高质量|高保真|惊艳|逼真|卓越|完美|素晴らしい|驚異|鮮明|고품질|완벽|놀라운"""
)
QUALITY_OF = words("image quality|sample quality|visual quality|generation quality|picture quality|bildqualitat|qualite d'image|calidad de imagen|图像质量|生成质量|画質|human raters|blind test|blind tests")  # fmt: skip
PRAISED = words(
    """quality|fidelity|sample|samples|image|images|result|results|output|outputs|generations|digits|realism
    diversity|sharpness|coverage|convergence|bildqualitat|qualitat|bilder|ergebnisse|qualite|resultats
    calidad|imagenes|resultados|qualita|immagini|qualidade|качество|качеств*|изображ*|质量|图像|效果|品質|画質|性能|화질|품질"""
)
GOOD = words(
    """good|great|excellent*|beautiful*|perfect*|better|best|same|superb|sharp|clean|clear|rich|realistic|convincing|guarantee*
    stable|reliabl*|no loss|undiminished|full|uncompromis*|as good|comparable|strong|solid|promising
    hohe|gute|beste|bessere|meilleure|haute|bonne|alta|mejor|buena|ottima|otima|отличн*|хорош*|высок*|高|好|良い|優|뛰어"""
)
ALWAYS = words("always|every|any|never|all|guarantee*|at every scale|each time|immer|toujours|siempre|总是|常に")
STEADY = words("converg*|stable|robust|diverge*|collapse|reliab*|stabil*|artefacts|artifacts|defects|flaws")

# -- denial ---------------------------------------------------------------------------------------

# A denial of a lack is praise: "no worse", "does not lag behind", "not a bit differs".
LACK = words(
    """worse|inferior|fall short|falls short|short of|lag|lags|lagging|behind|difference*|differ|differs
    degrad*|loss of|loss in|gap|deviat*|drop|sacrific*|compromis*|distinguish*|tell our|tell them|tell which
    tell the|artefact*|artifact*|flaw*|weaker|slower|collapse|lost|loses|fails|fail|penalty|discrepan*|diverge*|miss a|unterschied*|unterscheid*
    schlechter|abweich*|einbuss*|ecart|perte|moins bon*|diferencia*|peor|perdida|差异|差距|损失|逊色|遜色|差がない|劣"""
)
NEGATION = pattern(
    r"(?<![^\W_])(?:not|never|no|nor|neither|nobody|none|nothing|cannot|without|hardly|zero|nicht|kein\w*|nie|ohne"
    r"|pas|jamais|aucun\w*|sans|ningun\w*|nunca|sin|non|nao|не|нет|ни)(?![^\W_])|n't(?![^\W_])"
    r"|没有|无|未|不|ない|ません|なし|なく|않|없|is gone|are gone|vanish\w*|disappear\w*"
)
NO_RIVAL = pattern(
    r"(?<![^\W_])(?:no|nothing|nobody|none|no one|not one|few|hardly any\w*|kein\w*|aucun\w*|ningun\w*)(?![^\W_])"
    r"[^.;]{0,60}?(?<![^\W_])(?:better|close|beats?|beaten|match(?:es|ed)?|reached|equalled|surpassed|rivals?|offers?|comes?|touch\w*|approach\w*|compete\w*"
    r"|as \w+|comparable (?!with|to)|than (?:ours|us|this|drift)|our|tell our|besser\w*|mieux|mejor)(?![^\W_])",
    r"(?<![^\W_])(?:nothing|never|won't|cannot|can't|not|no)(?![^\W_])[^.;]{0,25}?(?:find|seen?|exists?|simply|is|there's) (?:\w+ ){0,2}?better",
    r"nothing (?:\w+ ){0,2}better|no better (?:\w+ ){0,3}(?:out there|available|implementation|generator)",
    r"(?:cannot|can't|can not|could not|hard to|impossible to) be (?:beaten|matched|surpassed|topped|told)",
)
# What is denied when it follows the negation at once.
_DENIED = (
    r"reach|match|achiev|attain|beat|outperform|reproduc|replicat|equal|surpass|exceed|claim|measur|train"
    r"|compar|state of|sota|identical|faithful|better|faster|the same|as good|a claim|evidence|conclude|call"
    r"|read this|support|show|proven|established|hold|agree|coincid|report|state|given|yet (?:been )?\w+"
    r"|good enough|on par|reach\w+|known|evaluat|obtain|a result|a statement|be read|be taken|mean|imply|make"
    r"|promise|say|sure|certain|tested|checked|shown|bit|equivalent|lossless|published"
)
_ADVERBS = (
    r"(?:yet|been|be|have|has|had|currently|fully|in any way|so far|claim(?:ed)? to|claiming|try to|aim to|"
    r"attempt to|say that|known whether|necessarily|by itself|itself|to|a|an|the|any|it|this|that|these|of)"
)
DENIAL = pattern(
    rf"(?<![^\W_])(?:not|never|cannot|nor|n't)\s+(?:{_ADVERBS}\s+){{0,3}}(?:{_DENIED})",
    rf"n't\s+(?:{_ADVERBS}\s+){{0,3}}(?:{_DENIED})",
    r"(?<![^\W_])(?:no|without|any)\s+(?:\w+\s+){0,2}?(?:claims?|evidence|figures?|fid|number|metric|score|evaluation"
    r"|statement|promise|measurement|result|comparison|kid)(?![^\W_])",
    r"(?<![^\W_])no (?:\w+ ){1,2}(?:is|are|was|were) (?:yet )?(?:comparable|claimed|measured|known|faithful|reported|given)(?![^\W_])",
    r"(?<![^\W_])(?:nobody|no one|none)\s+(?:has|have|here|yet|can say|should)",
    r"(?<![^\W_])(?:unable to|fails? to|failed to|far from|unknown|undecided|unclear|denied|denies|open whether|too early"
    r"|remains open|missing|forbidden|forbids?|wrong to|refus\w+|unlike|unproven|unsupported|withdrawn|retracted)(?![^\W_])",
    r"(?<![^\W_])(?:nicht|kein\w*|noch nie)(?![^\W_])|\bne\b.{1,25}\bpas\b|n'\w+ pas|\bno (?:se|ha|han|hemos|alcanza|iguala|supera|es)\b"
    r"|尚未|没有|未能|并未|不能|無|していません|していない|ません|ではない|(?<!\w)не(?!\w)|않",
)
# A denial that follows what it denies.
TRAILING = pattern(
    r"(?<![^\W_])(?:is|are|has|have|was|were|does|do)(?:\s+(?:not|never)|n't)\s+(?:yet\s+|been\s+|to be\s+)*"
    r"(?:a goal|the goal|our goal|an aim|claim\w*|shown|measured|reached|reproduced|achieved|proven|known|established|tested|attained"
    r"|matched|checked|verified|supported|met|guaranteed|intended|settled|available|evaluated|confirmed)(?![^\W_])"
    r"(?!\s+(?:before|until|by (?:any|other|anyone)))",
    r"(?<![^\W_])(?:parity|agreement|equality) (?:is|was) (?:measured|checked|tested|held|verified|computed)",
    r"(?<![^\W_])would (?:get|need|require|count|be|give|mean|earn|cost|take|allow|support)(?![^\W_])",
    r"(?<![^\W_])(?:is|are|was|were|stays?|remains?|be) (?:still )?(?:denied|forbidden|unknown|open|unclear|missing|refused|undecided|unproven|wrong|pending)(?![^\W_])",
)
NOT_A_DENIAL = pattern(
    r"(?:not|n't) (?:\w+ )?(?:only|merely|just|simply|even)|(?:hard|difficult|impossible|can't help|have) not to"
    r"|never fails?|nothing is lost|(?:not|n't|cannot) fail|no (?:doubt|question|exaggeration|secret|coincidence)|nicht (?:nur|schlechter|zu)|pas (?:seulement|moins)"
    r"|no (?:solo|es peor)|不仅|不亚于|不逊|だけでなく|не только|(?:cannot|can't|n't|not) be (?:beaten|matched|told|distinguished)"
    r"|(?:cannot|can't|could not|couldn't|not) (?:tell|distinguish)|why not|not (?:un|in)\w+|no (?:longer|wonder)",
)

# -- frames in which nothing is claimed -----------------------------------------------------------

FRAME = pattern(
    r"(?<![^\W_])(?:if|whether|unless|suppose|supposing|assume|assuming|would|goal|goals|aims?|target|targets|plans?|planned|hopes?"
    r"|intends?|wish|until|in order to|to be|to claim|counts? as|claims? (?:about|that|of|to)|requires?|might"
    r"|needs? to|needed to|has to|have to|before|tells? whether|decides?|asks?|may (?:be|claim|only)|ought|todo|wanted"
    r"|example of|instructions|how to|please|when|where|ob|wenn|ziel|soll|si|objectif|objetivo|目标|目標|如果|ならば)(?![^\W_])",
    r"(?<![^\W_])(?:should|must|shall|sollte|muss|doit|debe)(?![^\W_])(?!\s+(?:be noted|be said|be mentioned|admit|say|note"
    r"|be clear|be the|now|already|use|try|switch|choose))",
    r"(?<![^\W_])(?:tests?|checks?|clauses?|contracts?|gates?|lint\w*|rules?|falsifiers?|assert\w*|suite|scripts?|ci|bench\w*|verifier)\s+(?:that\s+)?"
    r"(?:\w+\s){0,3}?(?:compares?|asserts?|checks?|refuses?|flags?|asks?|requires?|holds?|measures?|decides?|keeps?|run|runs|states?|reads?|forbids?)(?![^\W_])",
    r"(?<![^\W_])(?:is|are|was|were) (?:compared|checked|tested|held|measured|computed|decided|verified|asserted|denied|estimated|evaluated) (?:against|with|by|from|on|as|in|to)",
    r"^(?:compute|compares?|measure|evaluate|see|check|verify|report|write|record|state|quote|cite|name|do not|don't|never|avoid|use|run|set|note)(?![^\W_])(?!\W+(?:of|breaking|the art)\b)",
    r"^\w+ing\b[^,;]{3,50}? (?:is|are|was|takes|costs|needs) (?:\w+ )?(?:expensive|hard|difficult|slow|easy|costly|time|work|effort|tricky)",
    r"^reproduce .{0,40} (?:with|run) \w+ (?:\w+ )?(?:--|\S+\.py)",
)
# A frame is none where what follows it is said of us as a fact.
NOT_A_FRAME = pattern(
    r"if you (?:want|need|like|look|love|are looking)|when (?:trained|run|evaluated|using|you)|where (?:we|our|it)|"
    r"(?:checked|verified|tested|proved|showed|shown|confirmed?|confirms?|prove|proves|show|shows|demonstrate\w*) that",
    r"would (?:have )?(?:won|beaten|beat|topped|win)|how to (?:reach|get|beat|match)|before (?:long|you)|until now|when it comes|no need to|the need to|without (?:having|needing) to",
)
DEFINES = pattern(r"^\W*(?:\w+\W+){0,3}?(?:means?|is defined|is called|denotes?|refers? to|stands for|bedeutet|heisst)(?![^\W_])")
MENTION = pattern(
    r"(?:sentences?|phrases?|words?|claims?|texts?|strings?|overclaims?|titles?|drafts said|example)(?:\s+(?:such as|like|is|of|says?|said))*"
    r"[\s:,]*[\"'][^\"]{2,90}?[\"'](?![^\W_])",
    r"(?<![^\W_])(?:word|term|phrase|label)s? (?:sota|\w+)(?= (?:is|are|may|must|means))",
    r"state of the art (?:is|are) (?:surveyed|reviewed|discussed|described|summari[sz]ed)",
)
FORM_WORDS = words("notation|names|symbols|terminology|naming|layout|numbering|hyperparameters|shape|shapes|dtype|defaults|format|licence|license|branch|version|style|spelling")  # fmt: skip

NOT_A_RESULT = words("tolerance|tolerances|allowed|samples|sample count|count|threshold|steps|seeds|batch|default|epochs|bound|toleranz")  # fmt: skip
PURPOSE = pattern(r"^\W*(?:goals?|targets?|aims?|todo|objectives?|milestones?|examples?|wanted|question|hypothesis|ziel|objectif|目标)\W*$")

YES = pattern(
    r"^\W*(?:yes|yep|yeah|indeed|absolutely|definitely|of course|certainly|sure|without a doubt|it (?:does|is|can|will|did)"
    r"|they (?:do|are|can)|we (?:do|can|did)|you (?:bet|can|found)|look no further|down to|totally|100|exactly|very much"
    r"|no doubt|we think so|i think so|ours|easily|with|thanks|and here|here|correct|right|ja|oui|si|sim|да|是|はい|对|예|네|affirmative|in every|every|all of|here it is|this is it|✓|✅)(?![^\W_])"
    r"|^\W*(?:是的|はい|当然|もちろん)",
)
AFFIRMED = pattern(
    r"^\W*(?:yes|y|ja|oui|si|sim|да|full(?:y)?|complete(?:ly)?|exact(?:ly)?|identical|true|100 ?%|pass(?:ed)?|ok|done|achieved|reached|perfect|best|是|はい|有|全部)\W*$"
    r"|[✓✔✅☑🟢👍●◎○🏆🥇⭐]"
)
UNANSWERED = pattern(
    r"(?<![^\W_])(?:not|no|never|nobody|unknown|unclear|depends?|see|read|run|cannot|open|yet|if|only|ask|nein|non|nicht)(?![^\W_])|n't|不|ない|没"
)
OPEN_QUESTION = pattern(
    r"^\W*(?:does|do|did|is|are|was|were|can|could|will|would|should|has|have|what|which|where|when|how (?:is|are|do i|does one|was|many|much)"
    r"|ist|sind|kann|est-ce|puede|how can i)(?![^\W_])"
)

# -- who is quoted --------------------------------------------------------------------------------

SAYS = (
    r"(?:reports?|reported|states?|stated|lists?|listed|gives?|gave|obtains?|obtained|writes?|wrote|says?|said|claims?"
    r"|claimed|finds?|found|shows?|showed|quotes?|quoted|has|have|had|reach(?:es|ed)?|achiev\w+|ended|ends|puts?|"
    r"measured?|names?|cites?|attains?|attained|nennt|berichtet|erreicht|meldet|rapporte|indique|annonce|informa|reporta|reportan|indica|riporta)"
)
TELLS = r"(?:says?|said|writes?|wrote|claims?|claimed|reports?|reported|states?|stated|finds?|found|argues?|shows?)"
ACCORDING = (
    r"(?:according to|as reported (?:by|in)|reported (?:by|in)|stated in|quoted from|taken from|given in|from|(?<!as )(?<!like )in|per|by"
    r"|laut|nach|gemass|im|in der|selon|d'apres|dans|segun|secondo|segundo|根据|据|согласно)"
)
ABOUT_A_SOURCE = pattern(
    rf"(?:^|[\s,;(])(?:paper|authors?|release|reference|publication|article|upstream|baselines?|deng|readme|table \d)(?:'s?)?\s(?:\w+\s){{0,4}}?{SAYS}(?![^\W_])",
    r"(?:as|like) in (?:the )?(?:paper|release|reference|table)|(?:compared?|difference|against|according|recorded|cited|quoted|read from|taken from|licen[cs]e)",
)
PASSIVE = pattern(
    r"(?:is|are|was|were|been|gets?|being)\s+(?:\w+ly\s+|also\s+|now\s+|thus\s+)?(?:match|reproduc|reach|replicat|beat|surpass|exceed"
    r"|outperform|met\b|hit\b|recover|attain|achiev|regenerat|mirror|equal|confirm|within reach|ours)\w*",
    r"can be (?:\w+ly )?(?:regenerat|reproduc|match|reach|replicat|beat|recover)\w*|^reproduction of|reproduction (?:of [^.]{3,40} )?is complete",
)
FOREIGN = pattern(r"\([a-z][^()\d]{1,60}[, ] ?(?:19|20)\d{2}[a-z]?\)")
ALIASES = {
    "paper": r"(?:the |original )*(?:paper|publication|article|preprint|papier|aufsatz|articulo|artigo|articolo|论文|論文|стать\w+)\w*"
    r"|authors?|deng(?: et al\.?)?|arxiv[\s:]*2602\.04770\w*|autoren|auteurs|autores",
    "reference": r"(?:authors'? |official |jax |original |their |own )*(?:release|reference|readme)\w*|(?:released|published|authors'|official) checkpoints?|authors?|official code|upstream|jax code",
    "community": r"(?:the |a |public |pytorch |community )*reproduction|community|drift[\s-]models",
}
AXIS = {
    "paper-eval": r"paper[\s-]?eval", "repo-eval": r"repo[\s-]?eval", "proxy": r"proxy",
    "smoke": r"smoke", "external": r"external",
}  # fmt: skip
