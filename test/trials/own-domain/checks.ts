import { isDeepStrictEqual } from 'node:util';

/** What a walk has found otherwise than it should be. */
export class Checks {
  /** How often something was compared. */
  assertions = 0;
  readonly failures: string[] = [];

  /** @param sentence what should be so. */
  that(holds: boolean, sentence: string): void {
    this.assertions++;
    if (!holds) this.fail(sentence);
  }

  equal(actual: unknown, expected: unknown, sentence: string): void {
    const shown = `${sentence}: ${JSON.stringify(actual)}, and should be ${JSON.stringify(expected)}`;
    this.that(isDeepStrictEqual(actual, expected), shown);
  }

  /** @param differences a sentence each, of so many comparisons. */
  none(differences: readonly string[], comparedCount: number, sentence: string): void {
    this.assertions += comparedCount;
    if (comparedCount === 0) this.fail(`${sentence}: nothing was compared`);
    for (const difference of differences) this.fail(`${sentence}: ${difference}`);
  }

  fail(sentence: string): void {
    this.failures.push(sentence);
    process.stderr.write(`own-domain: FAILED ${sentence}\n`);
  }
}
