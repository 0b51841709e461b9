/** The spine as the query sees it. */
import type { FeatureService } from '../../definitions/service.ts';
import { decidedEventsOf } from '../decided-events.ts';
import { SPINE, SpineError } from '../offline-store.ts';
import { noDecidedEvent } from '../spine-problems.ts';

/** The rows for which features are wanted. */
export interface SpineTable {
  /** What can follow FROM: a table's name, or a subquery in parentheses. */
  readonly table: string;
  /** The columns to hand through, in order: the join keys, `timestamp`, perhaps `known_at`, and any others. */
  readonly columns: readonly string[];
  /**
   * A column of whole numbers, none of them twice, by which the answer is ordered. It is not handed through. It must be
   * stored in the table: an engine that evaluates a table twice may number its rows differently each time.
   */
  readonly rowNumber: string;
}

/**
 * Refuses a spine that lacks a column, be it the one that names decided events, or has one with the name of a feature.
 * @throws SpineError
 */
export function checkSpine(service: FeatureService, spine: SpineTable): void {
  const needed = new Set([...service.views.flatMap(({ entity }) => entity.joinKeys), SPINE.timestamp]);
  for (const name of needed) {
    if (!spine.columns.includes(name)) {
      throw new SpineError(`the spine has no column "${name}"; it needs ${[...needed].join(', ')}`);
    }
  }
  const decided = decidedEventsOf(service);
  if (decided && !spine.columns.includes(decided.source.eventId)) throw noDecidedEvent(decided);
  // Names of columns do not differ by case in SQL, even when they are quoted.
  const seen = new Set([...service.features, ...service.derived].map(({ name }) => name));
  for (const name of spine.columns) {
    const known = name.toLowerCase();
    if (seen.has(known)) throw new SpineError(`the spine's column "${name}" has the name of another; rename it`);
    seen.add(known);
  }
}
