import { describe, expect, it } from 'vitest';
import { parseModel } from '../../../shared/scoring/models/parse-model.ts';
import { GOLDEN_NAMES, golden, rowsOf, VERSION_NAMES } from './golden.ts';

function expectClose(ours: readonly number[], theirs: readonly number[], tolerance: number): void {
  expect(ours.length).toBe(theirs.length);
  const differences = ours.map((value, index) => Math.abs(value - (theirs[index] ?? Number.NaN)));
  expect(Math.max(...differences)).toBeLessThanOrEqual(tolerance);
}

describe.each([...GOLDEN_NAMES, ...VERSION_NAMES])('%s, as the library said', (name) => {
  const expected = golden(name);
  const model = parseModel(expected.format, expected.model);
  const rows = rowsOf(expected);
  const tolerance = expected.format === 'logistic-regression' ? 1e-12 : 1e-6;

  it('scores the same', () => {
    expectClose(
      rows.map((row) => model.score(row)),
      expected.scores,
      tolerance,
    );
    expectClose(
      rows.map((row) => model.margin(row)),
      expected.margins,
      tolerance,
    );
  });

  it.skipIf(expected.contributions === null)('explains the same', () => {
    const ours = rows.map((row) => model.contributions(row));

    for (const [index, { base, values }] of ours.entries()) {
      expectClose([...values, base], expected.contributions?.[index] ?? [], 1e-5);
    }
  });

  it('adds contributions up to the margin', () => {
    for (const row of rows) {
      const { base, values } = model.contributions(row);
      expect(values.reduce((sum, value) => sum + value, base)).toBeCloseTo(model.margin(row), 5);
    }
  });

  it('answers the same when asked again, whatever was asked in between', () => {
    const once = rows.map((row) => model.score(row));

    const again = rows.map((row) => {
      model.contributions(row.map((value) => -value));
      return model.score(row);
    });

    expect(again).toEqual(once);
  });

  it('refuses a row of another length', () => {
    expect(() => model.score(new Float64Array(2))).toThrow('inputs, and the row has 2');
    expect(() => model.contributions(new Float64Array(2))).toThrow('inputs, and the row has 2');
  });
});

describe('names of inputs', () => {
  it('are those of the file, and none where the library made them up', () => {
    const named = golden('xgboost-2.1');
    const unnamed = golden('lightgbm');

    expect(parseModel(named.format, named.model).inputNames).toEqual(['amount', 'tx_count', 'ratio', 'risk']);
    expect(unnamed.model).toContain('Column_0 Column_1');
    expect(parseModel(unnamed.format, unnamed.model).inputNames).toBeUndefined();
  });
});

describe('missing values', () => {
  it('have no score where the model cannot take them', () => {
    const { format, model } = golden('logistic-regression');
    const parsed = parseModel(format, model);

    expect(parsed.acceptsMissing).toBe(false);
    expect(parsed.score(new Float64Array(parsed.inputCount).fill(Number.NaN))).toBeNaN();
  });
});

describe('contributions of a logistic regression', () => {
  const file = {
    format: 'logistic-regression',
    formatVersion: 1,
    estimator: 'written by hand',
    inputNames: null,
    coefficients: [2, -1],
    intercept: 0.5,
    standardisation: null,
  };

  it('are coefficient times input where no means are known', () => {
    const model = parseModel('logistic-regression', JSON.stringify(file));

    expect(model.contributions(Float64Array.of(3, 4))).toEqual({ base: 0.5, values: Float64Array.of(6, -4) });
  });

  it('are measured from the means of the training set where they are', () => {
    const model = parseModel('logistic-regression', JSON.stringify(file), [1, 10]);

    expect(model.contributions(Float64Array.of(3, 4))).toEqual({ base: -7.5, values: Float64Array.of(4, 6) });
  });
});
