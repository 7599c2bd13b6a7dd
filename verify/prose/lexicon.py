"""Words that bring a sentence into the net; `verify.prose.frames` are those that let it go.


Lists are in the spelling of `verify.prose.text.words`: `stem*`, a space or a hyphen for either.
They are wide on purpose: what is caught and claims nothing is told apart by a frame here or by a
marker.
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
    """accuracy|precision|recall|coverage|density|top 1|top 5|score|scores|agree*|agreement
    genauigkeit
    prazision|trefferquote|precision|rappel|exactitud|precisione|acuracia|точност*|准确率|精度|正解率
    parity|reproduc*|match*|success rate|fidelity|正确率|정확도"""
)
SPEED = pattern(
    r"(?:\d[\d.,]*|two|three|four|five|ten|twice|double|half|many|several|"
    r"an? order\w* of magnitude)"
    r"[\s-]*(?:x|×|times|fold|-fold|percent|%|mal|fois|veces|volte|vezes|раз\w*|倍|as|the)?[\s-]*"
    r"(?:as\s|the\s|less\s|more\s|fewer\s|lower\s|higher\s)?(?:faster|quicker|slower|speed[\s-]?up"
    r"|throughput|memory|cheaper|as fast|fast\b|schneller|plus rapide|mas rapido|piu veloce|高速|"
    r"速度|更快|快)",
    r"half (?:the|as much) (?:memory|time|cost)|(?:third|quarter|half|fraction|tenth) (?:of )?the "
    r"(?:time|memory|cost|compute|price|parameters)",
    r"\d[\d.,]*\s*k?\s*(?:images|samples|img|steps|it)\s*(?:per second|/\s*s(?:ec)?\b|a second)",
    r"(?:speed[\s-]?up|throughput|faster|quicker|slower)\D{0,25}\d[\d.,]*\s*(?:x\b|×|times|fold|"
    r"%|mal|倍)",
    r"快[^,。]{0,3}倍|倍[^,。]{0,2}(?:快|速)|(?:blazing|lightning|insanely|ultra|super|"
    r"crazy)(?:ly)?[\s-]*(?:fast|quick)",
)

# -- figures --------------------------------------------------------------------------------------

# Numbers that are no figure of a metric: they count, date, name or place something.
NO_FIGURE = pattern(
    r"imagenet[\s-]*(?:1k|\d+)(?:\s*[x×]\s*\d+)?|\d+\s*[x×]\s*\d+(?:\s*[x×]\s*\d+)?(?![^\W_])",
    r"(?<![\d.,])\d+(?:[,. ]\d{3})*k?(?:[\s-]|\b)(?![\s-]*(?:%|percent))(?:(?!(?:for|of|after|"
    r"with|on|in|at|to|from|by|using|and|or|our|is)\b)[a-z]+[\s-]){0,2}?(?:samples?|images?|"
    r"steps?|epochs?|class(?:es)?|runs?|seeds?|gpus?"
    r"|tpus?|cpus?|hours?|minutes?|seconds?|days?|weeks?|pixels?|clauses?|points?|tests?|files?|"
    r"bits?"
    r"|evaluations?|splits|parameters?|layers?|channels?|px|gb|mb|hz|nfe|digits|mode[ls]|"
    r"columns?|cores?"
    r"|configurations?|bilder|schritte|stichproben|klassen|pas|images?|etapes?|muestras|pasos|步|"
    r"张|枚|ステップ)(?![^\W_])",
    r"(?<![^\W_])(?:one|two|three|four|five|single|few|many)[\s-](?:step|pass|shot|class|dim\w*|"
    r"gpu|sample)\w*",
    r"(?<![^\W_])(?:tables?|tab|sections?|sec|fig(?:ure)?s?|eqs?|equations?|appendix|page|p|"
    r"chapter|row|line|algorithm|alg|"
    r"version|v|release|issue|no|nr|step|seed|python|pytorch|torch|cuda|jax|top|conf|dec|tier|k|"
    r"n|rtx|"
    r"tabelle|tableau|tabla|表|図|图|interface)[\s.#-]*\(?\d+(?:[.,]\d+)*(?:\s*(?:,|and|to|"
    r"-)\s*\d+(?!\.))*\)?(?![^\W_])",
    r"(?<![^\W_])(?:k|n|t|m|d|w|alpha|cfg|guidance|lr|nfe|width|depth|temperature|tau|decay)"
    r"\s*(?:=|:|of)?\s*\d[\d.,e-]*(?!\s*%)",
    r"fid[\s-]*\d+\s*k\b|(?:s?fid|is)[\s-]?(?:50|10|5|30)k?\b(?=\s*(?:=|of|:|is|was|[\d~≈<(]|$))",
    r"(?<![^\W_])[a-z]+/\d+|\b[a-z]+\d+(?:[a-z]\w*)?\b(?!\.)|float\s?\d+|(?!sub|fid|fvd|"
    r"kid)\b[a-z]+-\d+k?\b(?!\.)",
    r"\d{4}-\d{2}-\d{2}|(?:arxiv\W*)?\d{4}\.\d{4,5}(?:v\d)?|\b(?:19|20)\d{2}[a-z]?\b(?![.,]\d)|"
    r"\[\d[\d, -]*\]",
    r"(?<![\d.])\d{1,3}(?:,\d{3})+(?!\d|\.\d)|\d+\.\d+\.\d+\S*|\d+(?:st|nd|rd|th)\b",
    r"(?:tolerance|threshold|toleranz|tolerancia|atol|rtol)\D{0,24}?\d[\d.,e^-]*",
    r"\d+\s*(?:of|out of)\s*\d+|[_^]\(?\d+|(?:test|branch|code|line) coverage\D{0,12}\d+\s*%?|"
    r"\d+\s*% (?:test|branch|code|line)?\s*coverage",
)
_DIGIT = (
    "zero|one|two|three|four|five|six|seven|eight|nine|ten|null|eins|zwei|drei|vier"
    "|funf|un|deux|trois|uno|dos|tres"
)
FIGURE = pattern(
    r"\d+(?:[.,']\s?\d+)*(?:e[+-]?\d+)?\s*(?:%|percent|prozent)?",
    rf"(?:{_DIGIT})[\s-]+(?:point|komma|comma|virgule|coma|punto|"
    rf"virgola)[\s-]+(?:{_DIGIT})(?:[\s-]+(?:{_DIGIT}))*",
    rf"(?:(?:below|under|above|beyond|than|of|to|at|is|unter|sous|past)\s|sub[\s-])(?:{_DIGIT}|"
    rf"zero)\b(?![\s-]\w*(?:step|pass|network|forward|gpu|class|model|run|seed|sample))",
    r"in the (?:low |high |mid |very low )?(?:ones|twos|single digits|teens)|"
    r"[零一二三四五六七八九]+点[零一二三四五六七八九]+|(?:single|low|double)[\s-]digits?|near[\s-]zero",
)
# In printed output, where a formula or a log has many numbers, the figure stands beside its metric.
BESIDE = pattern(
    rf"(?:{METRIC.pattern})\w{{0,12}}[^\w(^]{{0,25}}\d|\d[\W]{{0,4}}(?:{METRIC.pattern})|"
    rf"\w{{0,9}}(?:{SHARE_METRIC.pattern})[^\w(]{{0,25}}\d"
)
CHANGE = words(
    """halv*|cut|cuts|drop*|improv*|lower*|reduc*|boost*|slash*|push*|record|best|low|lowest|great
    good
    excellent|impressive|better|new|halbier*|senk*|verbesser*|amelior*|mejor*|reduit|降低|提升|改善|向上
    improves"""
)

# -- comparisons ----------------------------------------------------------------------------------

TARGET = words(
    """paper*|author|authors|reference|references|release|released|releases|original|originals
    official
    published|publication|upstream|jax|deng|table 5|table 6|tables 5|reported|headline|baseline
    baselines
    referenz*|originale*|veroffentlich*|autoren|artikel*|aufsatz*|implementierung der|article|papier
    auteurs|officiel*|publie*|reference|articulo|artigo|articolo|autores|autori|referencia|oficial
    publicad*|riferimento|ufficial*|оригинал*|стать*|автор*|эталон*|论文|官方|参考|原作|原版|原始|発表|論文|公式|参照|原著
    원본|논문|공식|레퍼런스|theirs|state of the art|ground truth|tpu version"""
)
RIVAL = words(
    """diffusion|gan|gans|stylegan*|dit|edm|edm2|consistency models|competitor*|competing|rival*
    competition
    alternative*|any other|every other|all other|other one step|other public|other open source
    any public
    others|anyone|anything|everything else|prior work|previous work|earlier methods|existing
    all previous
    all existing|all known|of the field|rest of|leaderboard|alle anderen|bisherigen|tous les autres
    todos
    tutti|所有|现有|其他|従来|既存|他の|всех|모든|기존
    imagen|biggan|flow matching|one step generator*
    previous best"""
)
OURS = words(
    """we|our|ours|us|i|my|mine|this repo*|this work|this engine|this implementation|this port
    this package
    this project|this model|this code|this library|this reproduction|here|the engine|the port|wir
    unser*
    notre|nos|nous|nuestr*|nosso|nostr*|наш*|我们|本项目|本模型|本文|当社|我々|本手法|私たち|우리|己"""
)
PARITY = words(
    """match|matches|matched|matching the|equal|equals|equalled|equivalen*|identical*|identic*
    coincid*|agree|agrees|agreed|agreement
    same|on par|par with|parity|indistinguishab*|reproduce|reproduces|reproduced|reproducing
    reproduction of|replicat*|faithful*|mirror*|line up|lines up
    lined up|overlay*|exact|exactly|interchangeable|drop in|good as|accurate as|comparable
    compatible
    level of|hold up|holds up|hold its own|holds its own|stand up to|stands up to|keep up|keeps up
    keeps pace
    as published|like those|deliver*|ballpark|toe to toe|neck and neck|up to par|converged to
    close to|precisely as|as advertised|as promised|as described|uberein|bit genau|bitgenau
    clone of|copy of|twin of|port of the paper|won't notice|will not notice|interchangeably
    so gut wie|niveau|egalent|au niveau|a la altura|al nivel
    达到|持平|水平|水準|レベル|到达|compatible with
    virtually the same|just as|every bit as|no different|stacks up|measures up|up there with
    one to one|1 to 1|lossless*|true to|recreat*|regenerat*|live up|lives up|down to the last
    to the last bit
    last digit|bit for bit|like the|just like|every detail|every bit|reach*|recover*|hit|hits
    attain*
    achiev*|obtain*|within noise|in line with|consistent with|tell apart|gap to|closes the gap
    closed the gap
    approaches|on a par|implements|translation of|faithfulness|as the one in|equal to|look* like
    identisch*|gleich*|stimm* uberein|ubereinstimm*|entspr*|reproduzier*|originalgetreu*|ebenburtig
    genauso|erreich*|identique*|meme|memes|reproduit|fidele*|fidelement|egale|equivaut|coincid*
    identic*
    iguala*|mismo*|igual*|replic*|reproduce*|riproduc*|uguale|identici|corrispond*|corresponde*
    идентич*|совпада*|воспроизв*|一致|复现|再现|再現|相同|等同|同等|同じ|还原|媲美|匹敌|比肩|遜色|匹敵|동일|재현|일치"""
)
# A source that something is held beside, and what one does with a source without claiming anything.
BESIDE_SOURCE = pattern(
    r"(?:\w|['\"),])\s(?:\w+\s){0,3}?(?:(?:the|its|their|that of|those of|deng|any|every|to|than|"
    r"with|by|from|as)\s)(?:\w+\s){0,2}?"
    r"(?:paper|authors?|references?|release|original|official (?:code|release|implementation)|"
    r"upstream|publication|published \w+|tpus?|jax (?:code|release|version)|"
    r"article)(?:'s?)?(?![^\W_]|-)"
)
USE_OF_SOURCE = pattern(
    r"(?<![^\W_])(?:follow\w*|us(?:e|es|ed|ing)|cit\w+|thank\w*|grateful|see|read|reads|reading|"
    r"load\w*|map\w*|import\w*|stor\w+|record\w*|compar\w+"
    r"|tak(?:e|en|es)|contain\w*|includ\w+|licen[cs]e\w*|quot\w+|link\w*|download\w*|convert\w*|"
    r"name[ds]?|call(?:ed|s)?|list\w*|parse\w*|describ\w+"
    r"|defin\w+|depart\w*|differ\w*|disagree\w*|govern\w*|against|mismatch\w*|under|between|"
    r"traces?|recordings?|lines?|as in|is the|are the|is an?|place|scale|semantics|comes?|"
    r"from each|notation|hyperparameters?|settings?|document\w*|written|wrote|question\w*|"
    r"answers?"
    r"|says?|states?|according|note[ds]?|available|due to|credit\w*|belongs?|copy|copied|copies|"
    r"translat\w+|checked|tested|held|based on|values?|options?"
    r"|table \d|section|appendix|where|which|who|details|license|version|folder|file|path|url|"
    r"repository|checkpoint\w*|argument|branch|tag|index|notes)(?![^\W_])"
)
# Said of anything, these claim agreement; a weak one needs a target beside it.
STRONG_PARITY = pattern(
    r"bit[\s-]*(?:for[\s-]*bit|identical\w*|exact\w*|wise)\s*(?:\w+\s){0,3}?(?:as|to|with|of|"
    r"than) the",
    r"(?:everything|all outputs?|outputs? (?:is|are)|loss (?:is|are)) (?:is |are )?(?:bit|"
    r"numerically)[\s-]*(?:identical|exact)",
    r"full(?:y)? parity|numerical(?:ly)? (?:identical|equivalent|parity)|identical results?|"
    r"same results?",
    r"(?:faithful|exact|complete|full|successful|perfect|true|accurate) (?:re)?(?:production|"
    r"implementation|replication|port)\b",
    r"(?:faithfully|fully|completely|successfully|perfectly) (?:reproduc|replicat|implement|"
    r"match|mirror)\w*",
    r"reproduces? (?:all |every |the )?(?:\w+ )?(?:results?|figures?|numbers?|scores?)",
    r"(?:results?|figures?|numbers?|scores?)(?: \w+)? (?:is|are|was|were|,)? ?reproduced",
    r"(?:conversion|import|port)\w*(?: \w+){0,3} (?:is |are )?lossless|(?:paper|publication|"
    r"research|reference|release|sota|studio|human)[\s-](?:level|grade|accurate|exact|faithful|"
    r"quality|perfect)|is the (?:port|engine|loss|implementation|reproduction) (?:exact|faithful|"
    r"correct|identical)",
    r"same (?:images|scores|numbers|quality|outputs)|indistinguishable|result[\s-]compatible|sota",
    r"(?:on par|on a par|neck and neck|toe to toe) with|(?:nicht|kaum) (?:\w+ )?zu unterscheiden|"
    r"indiscernable|indistinguib\w+|无法区分|見分け",
    r"(?:reproduction|implementation|port|engine|code|model|loss|library|"
    r"conversion)\s(?:\w+\s){0,4}?(?:is|are|be|been) (?:\w+ ){0,2}?(?:faithful|correct|exact|"
    r"accurate|identical|equivalent|lossless|perfect|verified|validated)\b",
    r"完全一致|逐位一致|完全复现|完全に一致|完全再現|同等性能",
)
SUPERIOR = words(
    """outperform*|surpass*|beat|beats|beating|beaten|exceed* the paper|unmatched|unrival*|unbeat*
    unequal*
    unparallel*|unprecedent*|state of the art|sota|record breaking|record setting|new record on
    set a record|sets a record|set a new record
    world class|best in class|cutting edge|second to none|in a league|leader|leaders|leading
    dominat*|crush*
    in the dust|out of the water|comes close|come close|edges out|outshin*|outclass*|superior*
    eclips*
    top of the|number one|groundbreaking|game chang*|world's first|first ever|ahead of every*
    ahead of all|ahead of any|ahead of the|undisputed|trounc*
    improve upon|improves upon|improve on the|improves on the|a step ahead|leapfrog*|overtak*|tops
    de facto|circles around|preferred to|preferred over|prefer ours|king of|gold standard|rivals
    rival the|rivalling|trumps|wins against|wins on|win over|pareto|next level
    ubertr*|uberleg*|uberbiet*|stand der technik|spitzen*|weltklasse|unerreicht*|unschlagbar*
    schlagt|schlagen|schlug
    surpass*|depass*|etat de l'art|l'etat de l'art|inegale*|imbattable|devance*|meilleur*|supera
    superan
    superamos|superior*|estado del arte|estado da arte|stato dell'arte|insuperable*|inigualable*
    mejor*
    supera*|batte|migliore|insuperabil*|melhor*|превос*|превзош*|лучш*|непревзойд*|обходит|передов*
    优于|超越|超过|领先|最先进|最优|最佳|最好|无与伦比|胜过|击败|业界|第一|最強|最高|最先端|最速|上回|凌駕|超え|卓越|優れ
    능가|최고|최첨단|뛰어|앞서|state of the arts"""
)
COMPARATIVE = words(
    """better|faster|sharper|stronger|lower|higher|fewer|smaller|cheaper|quicker|cleaner|closer
    finer|greater
    worse|slower|weaker|more|less|besser*|schneller*|scharfer*|weniger|genauer*|plus|moins|mas
    menos|piu|meno
    mais|лучше|быстрее|выше|ниже|更好|更快|更高|更低|より|더"""
)
THAN = words(
    "than|als|que|di|do que|чем|比|より|보다|compared|relative to|versus|vs|over the|against"
)
# What a result is called; beside a source it says that we have that source's result.
OUTCOME = words(
    """result|results|figures|numbers|quality|scores|level|performance|samples|images|fidelity
    metrics|curves
    accuracy|grade|ergebnisse|resultats|resultados|risultati|效果|结果|性能|結果|результат*|결과"""
)
GAINED = words(
    """get|gets|got|getting|expect|produce*|deliver*|yield*|give you|gives you|show|shows|have|has
    train*|achiev*
    reach*|obtain*|recover*|come out|comes out|is|are|grade|level|ours|bring*|offer*|provid*|land*
    see"""
)
SUPERLATIVE = pattern(
    r"(?<![^\W_])(?!test|rest|latest|request|interest|nearest|largest|newest|oldest|manifest|"
    r"digest|suggest|earliest|honest|longest|shortest|fewest|least|pytest|modest|forest|west|"
    r"invest|guest|quest|protest|contest|harvest|attest|crest|nest)"
    r"\w{3,}est\s(?:\w+\s){0,3}?(?:generators?|implementations?|ports?|reproductions?|images?|"
    r"samples?|results?|around|out there|available|quality|models? (?:around|yet|ever))(?![^\W_])",
    r"(?<![^\W_])(?:best|fastest|strongest|sharpest|finest|cleanest|lowest|highest|greatest|only|"
    r"leanest|smallest"
    r"|most \w+|closest|top)(?![^\W_])(?:[\s-]+\w+){0,3}?[\s-]+(?:generators?|implementations?|"
    r"ports?|models?|reproductions?"
    r"|librar\w+|methods?|quality|results?|fid|images?|samples?|available|open[\s-]source|"
    r"engines?|code|codebases?|repos?|repository|scores?|github"
    r"|replications?|framework|to date|so far|yet|ever|you can|out there|in the world|"
    r"on the market)(?![^\W_])",
    r"(?:schnellste|beste|genaueste|scharfste)[rnms]?\s|plus rapide (?:du|des|de)|"
    r"le plus \w+ des|el mas \w+ de|#\s?1\b",
)
NOT_SUPERLATIVE = pattern(
    r"(?:keeps?|saves?|picks?|selects?|restores?|loads?|returns?|stores?|takes?|finds?|tracks?|"
    r"chooses?|uses?|the|at|of|its|lowest|writes?)"
    r"\s+(?:the\s+|its\s+)?(?:best|lowest|highest|smallest|top|most recent|closest)[\s-]+(?:\w+\s)?"
    r"(?:checkpoints?|alpha|guidance|loss|value|weights?|validation|step|score|epoch|fid on|"
    r"model (?:by|on|so|is|by))",
    r"only (?:code|model|method|samples?|images?|results?)",
    r"(?:most|only) (?:of|recent|common|one|two|three|if|when|where|on|in|the|be|for)",
)

# -- praise ---------------------------------------------------------------------------------------

PRAISE = words(
    """photo realis*|photorealis*|photo real|lifelike|stunning*|flawless*|crisp|high fidelity
    high quality
    outstanding|excellence|impressive*|remarkabl*|astonish*|amazing*|incredibl*|superb*|breathtaking
    gorgeous|pristine|rock solid|production ready|production grade|battle tested|bullet proof
    exceptional*
    unbelievabl*|phenomenal|top notch|top quality|perfection|spectacular|razor sharp
    artefact free|artifact free|thing of the past|never diverges|always converges|trains reliably
    blazing*
    lightning fast|ultra fast|near perfect|human level|top tier|best of breed|ultra realis*
    hyper realis*|insane*|wow|vivid|tried and true|battle hardened|never breaks|never fails
    never collapses|looks real|look real|best of class|first class|superhuman|revolution*|unleash*
    mind blowing|jaw dropping|realism
    hervorragend*|exzellent*|beeindruckend*|makellos*|fotorealist*|gestochen scharf*|brillant*
    traumhaft*
    epoustouflant*|remarquable*|exceptionnel*|irreprochable*|impresionante*|excelente*|impecable*
    hiper*realista*
    eccezional*|impressionant*|eccellent*|потрясающ*|отличн*|безупреч*|фотореалист*|高品質|高质量|高保真|惊艳
    逼真|卓越|完美|素晴らしい|驚異|鮮明|고품질|완벽|놀라운"""
)
EVALUATED = words(
    "competitive|strong|great|good|fantastic|record|remarkable|unheard of|speaks|sensational|"
    "solid|respectable|konkurrenzfahig*|competiti*|best"
)
QUALITY_OF = words(
    "image quality|sample quality|visual quality|generation quality|picture quality|bildqualitat|"
    "qualite d'image|calidad de imagen|图像质量|生成质量|画質|human raters|blind test|blind tests"
)
PRAISED = words(
    """quality|fidelity|sample|samples|image|images|result|results|output|outputs|generations
    digits|realism
    diversity|sharpness|coverage|convergence|bildqualitat|qualitat|bilder|ergebnisse|qualite
    resultats
    calidad|imagenes|resultados|qualita|immagini|qualidade|качество|качеств*|изображ*|质量|图像|效果|品質
    画質|性能|화질|품질"""
)
GOOD = words(
    """good|great|excellent*|beautiful*|perfect*|better|best|same|superb|sharp|clean|clear|rich
    realistic|convincing|guarantee*
    stable|reliabl*|no loss|undiminished|full|uncompromis*|as good|comparable|strong|solid|promising
    hohe|gute|beste|bessere|meilleure|haute|bonne|alta|mejor|buena|ottima|otima|отличн*|хорош*
    высок*|高|好|良い|優|뛰어"""
)
ALWAYS = words(
    "always|every|any|never|all|guarantee*|at every scale|each time|immer|toujours|siempre"
    "|总是|常に"
)
STEADY = words(
    "converg*|stable|robust|diverge*|collapse|reliab*|stabil*|artefacts|artifacts|defects|flaws"
)
