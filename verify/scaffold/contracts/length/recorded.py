"""A recorded case: what another implementation gave, held stage by stage; needs NumPy.

`verify record length.recorded --case length_table --replace` records it again. The recorder runs
twice in processes of their own and has to give the same bits; the difference between float32 and
float64 becomes the tolerance of each stage.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from verify.api import CheckContext, Measurement, check, recorder
from verify.numeric.cases import compare, read_case
from verify.numeric.recorder import RecordContext


@recorder("length.recorded", noise="precision")
def table(ctx: RecordContext) -> dict[str, NDArray[np.generic]]:
    """Put the implementation here that yours is held against; this one multiplies, in NumPy."""
    inches = np.random.default_rng(7).uniform(0.1, 100.0, size=12).astype(np.float32)
    millimetres = inches.astype(ctx.dtype) * np.asarray(25.4, ctx.dtype)
    return {"in/inches": inches, "step/millimetres": millimetres, "out/sum": millimetres.sum()}


@check("length.recorded", needs=("to_millimetres",))
def recorded(ctx: CheckContext) -> Measurement:
    """Every stage of the case; the reason names the first one that differs."""
    case = read_case(ctx.spec_file(f"golden/{ctx.params['case']}.json"))
    converted = [ctx.subject.to_millimetres(float(inch)) for inch in case.arrays["in/inches"]]
    got = {"step/millimetres": converted, "out/sum": sum(converted)}
    return compare(case, got).judge(ctx, case.name)
