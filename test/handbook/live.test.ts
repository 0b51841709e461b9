/** `npm run handbook:live`, small: twelve customers of one day, and the history that their features need. */
import { describe, expect, it } from 'vitest';
import { runLive } from '../../examples/handbook/live/run.ts';
import { freePort, LOCAL_DIRECTORY } from '../../localstack/child-process.ts';
import { handbookDirectory } from './handbook-directory.ts';

const data = handbookDirectory("the Fraud Detection Handbook's transactions live");

describe.skipIf(data === undefined)("the Fraud Detection Handbook's transactions, live", () => {
  it('are decided as published over a backfilled deployment, and audited', { timeout: 300_000 }, async () => {
    const { checks, differences } = await runLive({
      data: data ?? '',
      transactions: 60,
      laterTransactions: 30,
      customers: 12,
      port: await freePort(),
      folder: `${LOCAL_DIRECTORY}/handbook-live-test`,
    });
    expect(checks.filter(({ holds }) => !holds)).toEqual([]);
    expect(checks).toHaveLength(8);
    expect(differences).toEqual([]);
  });
});
