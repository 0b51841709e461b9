/** Logins of honest people and of takeovers, from a seed. */
import type { Random } from '../../simulation/random.ts';
import type { EntityRow, Event } from './client.ts';

const COUNTRIES = ['DE', 'FR', 'PL', 'ES'];
const ACCOUNTS = 24;
const BAD_DEVICES = 3;
const ATTACKS = 0.3;

export interface Login {
  readonly event: Event;
  readonly isAttack: boolean;
}

export class LoginMaker {
  readonly #random: Random;
  readonly #prefix: string;
  #made = 0;

  /** @param prefix begins all ids. */
  constructor(random: Random, prefix: string) {
    this.#random = random;
    this.#prefix = prefix;
  }

  login(atMillis: number): Login {
    const random = this.#random;
    const isAttack = random.chance(ATTACKS);
    const number = random.integer(1, ACCOUNTS);
    const account = `${this.#prefix}account-${number}`;
    const device = isAttack
      ? `${this.#prefix}bad-${random.integer(1, BAD_DEVICES)}`
      : `${this.#prefix}device-${number}`;
    const home = COUNTRIES[number % COUNTRIES.length] ?? 'DE';
    const event = {
      login_id: `${this.#prefix}login-${++this.#made}`,
      account_id: account,
      ...((isAttack || random.chance(0.9)) && { device_id: device }),
      country: isAttack && random.chance(0.7) ? 'KP' : home,
      is_success: random.chance(isAttack ? 0.3 : 0.95),
      typingMs: isAttack ? random.integer(10, 80) : random.integer(60, 400),
      at: atMillis,
    };
    return { event, isAttack };
  }

  /** What became of a login; a few are told wrongly, as in life. */
  caseOf({ event, isAttack }: Login, closedAtMillis: number): Event {
    return {
      case_id: `case-${event.login_id}`,
      login_id: String(event.login_id),
      account_id: String(event.account_id),
      is_takeover: this.#random.chance(0.05) ? !isAttack : isAttack,
      closed_at: closedAtMillis,
    };
  }

  /** Every account, each with a device of its own or a bad one. */
  entities(): EntityRow[] {
    return Array.from({ length: ACCOUNTS }, (_, index) => ({
      account_id: `${this.#prefix}account-${index + 1}`,
      device_id: index < BAD_DEVICES ? `${this.#prefix}bad-${index + 1}` : `${this.#prefix}device-${index + 1}`,
    }));
  }
}
