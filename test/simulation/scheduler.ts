import { setImmediate } from 'node:timers/promises';
import type { Random } from './random.ts';

/**
 * Decides who runs next. Actors stop at every point where another one could act; the scheduler lets one of those who
 * wait go on, chosen by the seed, and waits until it stops again. So one seed is one interleaving, on every machine.
 */
export class Scheduler {
  readonly #random: Random;
  readonly #waiting: (() => void)[] = [];

  constructor(random: Random) {
    this.#random = random;
  }

  /** Waits until the scheduler chooses the caller. */
  turn(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Lets waiting actors go on, `turns` times or until nobody waits. */
  async run(turns = Number.POSITIVE_INFINITY): Promise<void> {
    await setImmediate();
    for (let turn = 0; turn < turns && this.#waiting.length > 0; turn++) {
      const chosen = this.#random.integer(0, this.#waiting.length - 1);
      const [resume] = this.#waiting.splice(chosen, 1);
      resume?.();
      // Everything the actor does up to its next stop is promise callbacks, which all run before this.
      await setImmediate();
    }
  }
}
