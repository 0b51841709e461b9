import { describe, expect, it } from 'vitest';
import { configuration } from './configuration.ts';
import { evasion } from './evasion.ts';
import { forms } from './forms.ts';
import { fuzz } from './fuzz.ts';
import { spike } from './spike.ts';

describe('a small run', () => {
  it.each([
    [configuration, 8],
    [evasion, 4],
    [forms, 2],
    [fuzz, 2_000],
    [spike, 20],
  ])('of the trial $name keeps what it promises', async (trial, trials) => {
    const { ok, json } = await trial.run({ trials });
    expect(ok, JSON.stringify(json)).toBe(true);
  });
});
