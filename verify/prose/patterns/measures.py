"""What is measured: names of figures of merit and how their values stand beside them."""

from __future__ import annotations

from verify.prose.words import bag

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
# After these words the name means something else: float32 precision, mixed precision.
NOT_A_METRIC_AFTER = bag(
    "float32 float64 float16 bfloat16 fp32 fp16 fp64 tf32 bf16 bit mixed single double half full "
    "numeric numerical machine high low reduced arithmetic"
)
# Numbers of bits, which no precision, recall or accuracy is.
BITS = frozenset((4.0, 8.0, 16.0, 32.0, 64.0, 128.0))
SHARES = frozenset(("precision", "recall", "accuracy"))
NOT_A_METRIC_BEFORE = bag("that mode modes plugin")

# Words that may stand between a metric and its value: "FID of about 1.54", "FID (50k): 1.54".
METRIC_TO_VALUE = bag(
    "of is was are were be at = : ≈ ~ to from by below under above around about roughly nearly "
    "only "
    "just score value values reach reaches reached drops drop falls improves rises stays stayed "
    "got "
    "ends lands equals goes go went came comes sits down up as low high ↓ ↑ ( ) < > ≤ ≥ | * an "
    "a the comes out with"
)
# Words that part a metric from a value further on: "the FID of our samples on ImageNet is 1.54".
FAR_VALUE = bag("is was are reaches reached at equals")
# A value may stand before its metric: "1.54 FID", "84 % accuracy", "1.54 in FID".
VALUE_TO_METRIC = bag("% in points on of")
# A number before these counts something and is no figure of merit.
COUNTED = bag(
    "samples images steps epochs splits seeds gpus tpus hours days classes iterations runs "
    "clauses "
    "examples figures columns tables models parameters layers blocks tokens bit bits"
)
# A figure named after these is a setting, not a result: "the tolerance for FID is 0.1".
SETTINGS = (
    "tolerance|threshold|limit|margin|budget|floor|ceiling|target|targets|goal|requirement .. "
    "@metric",
    "@metric tolerance|threshold|limit|margin|target|goal|floor",
    "differ* .. from",
    "tolerance of @number",
    "within @number @metric",
)
# "The paper reports FID 1.54; we get 1.52": a number after these is one of the metric just named.
REACHED = (
    "get|gets|got|reach|reaches|reached|achieve|achieves|achieved|obtain|obtains|obtained|have|"
    "has|"
    "measure|measured|hit|hits|land|lands|is|are ?at ?a ?about @number",
)
# A number after these is a name: "ImageNet 256", "Table 5".
NAMES_NUMBERS = bag(
    "imagenet cifar ffhq celeba lsun coco mnist table tables section figure fig eq equation "
    "python "
    "version step epoch top layer algorithm appendix"
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
