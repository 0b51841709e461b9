import type { OnlineStore } from '../../shared/online/store.ts';
import type { FeatureRepository } from '../../shared/registry/manifest.ts';
import type { HealthProbe } from './health.ts';
import type { ServingMetrics } from './metrics.ts';
import type { EventStream } from './publish-event.ts';

/** What is written when a request fails through no fault of the caller. Satisfied by the Powertools logger. */
export interface ServeLogger {
  error(message: string, details: Readonly<Record<string, unknown>>): void;
  warn(message: string, details: Readonly<Record<string, unknown>>): void;
}

/** Everything that the serving function uses of the world. */
export interface ServePorts {
  readonly store: OnlineStore;
  readonly repository: FeatureRepository;
  readonly stream: EventStream;
  /** Milliseconds since 1970 UTC. */
  readonly clock: () => number;
  readonly logger: ServeLogger;
  readonly metrics: ServingMetrics;
  readonly probes: readonly HealthProbe[];
}
