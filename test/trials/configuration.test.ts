import { expect, it } from 'vitest';
import { configuration } from './configuration.ts';

it(`proves in a small run that ${configuration.proves}`, async () => {
  expect(await configuration.run({ trials: 8 })).toMatchObject({ ok: true, json: { trials: 8, violations: 0 } });
});
