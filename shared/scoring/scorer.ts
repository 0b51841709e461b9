import type { Scorer } from './decide.ts';
import type { LoadedModel } from './package.ts';

/** A loaded model as decisions use it. Rows are scored one after the other, so one vector serves all. */
export function scorerOf(loaded: LoadedModel): Scorer {
  const { key, document } = loaded;
  const vector = new Float64Array(document.inputs.length);
  return {
    key,
    thresholds: document.thresholds,
    inputs: document.inputs.map(({ feature }) => feature),
    score: (row) => loaded.score(loaded.vector(row, vector)),
    explain: (row, top) => loaded.explain(loaded.vector(row, vector), top),
  };
}
