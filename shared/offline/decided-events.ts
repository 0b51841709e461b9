import type { FeatureService, ServiceFeature } from '../definitions/service.ts';
import type { EventSource } from '../definitions/source.ts';

/** Whether a feature leaves out the event that a row decides. An event of another source may have the same id. */
export function leavesOutDecided({ decides }: FeatureService, { view, excludesCurrent }: ServiceFeature): boolean {
  return excludesCurrent && view.source === decides;
}

/** The events that rows of a spine decide, where features leave them out. */
export interface DecidedEvents {
  /** Its `eventId` is the spine's column that names them. */
  readonly source: EventSource;
  /** Names of the features that leave them out. */
  readonly features: readonly string[];
}

/** `undefined` for a service whose features leave nothing out: a spine need not say what was decided. */
export function decidedEventsOf(service: FeatureService): DecidedEvents | undefined {
  const features = service.features.filter((feature) => leavesOutDecided(service, feature)).map(({ name }) => name);
  return service.decides === undefined || features.length === 0 ? undefined : { source: service.decides, features };
}
