import { describe, expect, it } from 'vitest';
import { PythonUnavailableError } from '../../examples/python-environment.ts';
import { configuration } from './configuration.ts';
import { evasion } from './evasion.ts';
import { forms } from './forms.ts';
import { fuzz } from './fuzz.ts';
import { mistakes } from './mistakes.ts';
import { readback, readbackPython } from './readback.ts';
import { spike } from './spike.ts';

const skips = await preparedReadback();

/** @returns why the trial of libraries cannot run. */
async function preparedReadback(): Promise<string | undefined> {
  try {
    await readbackPython();
    return undefined;
  } catch (error) {
    if (!(error instanceof PythonUnavailableError)) throw error;
    console.warn(`What libraries write was not read again: it ${error.message}`);
    return error.message;
  }
}

describe('a small run', () => {
  it.each([
    [configuration, 8],
    [evasion, 4],
    [forms, 2],
    [fuzz, 2_000],
    [mistakes, 8],
    [spike, 20],
  ])(
    'of the trial $name keeps what it promises',
    async (trial, trials) => {
      const { ok, json } = await trial.run({ trials });
      expect(ok, JSON.stringify(json)).toBe(true);
    },
    300_000,
  );

  it.skipIf(skips !== undefined)('of the trial readback keeps what it promises', async () => {
    const { ok, json } = await readback.run({ trials: 6 });
    expect(ok, JSON.stringify(json)).toBe(true);
  });
});
