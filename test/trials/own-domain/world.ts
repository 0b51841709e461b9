import type { Random } from '../../simulation/random.ts';
import type { Checks } from './checks.ts';
import type { Client, Event, Told } from './client.ts';
import type { Login } from './logins.ts';
import type { Start, User } from './user.ts';

/** What the steps of the walk hand on. */
export interface World {
  readonly user: User;
  readonly client: Client;
  readonly checks: Checks;
  readonly port: number;
  /** The interpreter that has the libraries of models. */
  readonly python: string;
  readonly random: Random;
  readonly decisionCount: number;
  start?: Start;
  /** By `login_check`, with what became of them. */
  readonly decided: (Told & { readonly login: Login })[];
  /** The same, once a model decided. */
  readonly scored: (Told & { readonly login: Login })[];
  /** Logins that were imported. */
  month: readonly Event[];
  /** When the view of a month begins to count. */
  liveFromMillis?: number;
  /** What was served before lacks what history has. */
  backfilledAtMillis?: number;
  /** How long each step took. */
  readonly seconds: Record<string, number>;
  /** As `npm start` says it, by edit. */
  readonly saveToLiveSeconds: Record<string, number>;
}

/** @throws Error before there is one. */
export function startOf({ start }: World): Start {
  if (start === undefined) throw new Error('nothing was started');
  return start;
}
