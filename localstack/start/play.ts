/** What a run sends to a deployment, and shows of it: of the example of this repository, or generated from any declarations. */
import { type DecidingService, decidingServices } from '../../functions/routes.ts';
import type { FieldValue } from '../../shared/definitions/fields.ts';
import type { FeatureService } from '../../shared/definitions/service.ts';
import type { EventSource } from '../../shared/definitions/source.ts';
import type { FeatureRepository } from '../../shared/registry/manifest.ts';
import { decidePathOf, type FeaturesResult } from '../api-client.ts';
import type { Deployment } from '../deploy.ts';
import { EventMaker, type SentEvent } from '../generated-traffic.ts';
import { count, step } from '../report.ts';
import { ProofFailedError } from './proof.ts';
import { entityRows, type Session } from './session.ts';

export interface PlayOptions {
  readonly events: number;
  readonly seed: number;
  /** Tells ids and entities from those of earlier runs; empty where there were none. */
  readonly prefix: string;
}

/** A call that is shown to be tried. */
export interface Shown {
  readonly service: FeatureService;
  readonly entity: Readonly<Record<string, FieldValue>>;
  /** With `event`, where a service decides. */
  readonly path?: string;
  readonly event?: SentEvent['event'];
}

export interface Play {
  /** Before anything is sent. @returns how many answers it was given. */
  begin(deployment: Deployment): Promise<number>;
  deliveries(options: PlayOptions): readonly (readonly [EventSource, readonly SentEvent['event'][]])[];
  /** Decides some events. */
  decide(session: Session, options: PlayOptions): Promise<void>;
  /** Shows some of what was decided and read. @returns calls to be tried. */
  show(results: ReadonlyMap<string, readonly FeaturesResult[]>, session: Session): readonly Shown[];
}

const DECISIONS_PER_SERVICE = 12;

/** @throws LocalEnvironmentError naming a field of which no value is found, before anything is deployed. */
export function generatedPlay({ sources, views, services }: FeatureRepository): Play {
  const tried = new EventMaker({ views }, { seed: 0, prefix: '' });
  for (const source of sources) tried.event(source, Date.now());
  let maker: EventMaker | undefined;
  return {
    begin: async () => 0,
    deliveries: ({ events, seed, prefix }) => {
      maker = new EventMaker({ views }, { seed, prefix });
      const each = Math.ceil(events / sources.length);
      const endMillis = Date.now() - 1_000;
      return sources.map((source) => {
        const deliveries = maker?.deliveries(source, each, endMillis, views) ?? [];
        return [source, deliveries.map(({ event }) => event)] as const;
      });
    },
    decide: async (session) => {
      for (const deciding of decidingServices(services)) if (maker) await decideGenerated(session, deciding, maker);
    },
    show: (_, session) =>
      services.map((service) => {
        const [entity = {}] = entityRows(session, service.views, 1);
        if (service.decides === undefined || maker === undefined) return { service, entity };
        return { service, entity, path: decidePathOf(service), event: maker.event(service.decides, Date.now()) };
      }),
  };
}

async function decideGenerated(
  session: Session,
  { service, source }: DecidingService,
  maker: EventMaker,
): Promise<void> {
  await step({
    label: 'Decide',
    work: async () => {
      let compared = 0;
      for (let index = 0; index < DECISIONS_PER_SERVICE; index++) {
        const decided = await session.decide(service, maker.event(source, Date.now()));
        compared += decided.compared;
      }
      if (compared === 0 && !session.isEdit && service.features.length > 0)
        throw new ProofFailedError(`No feature of the decisions by ${service.key} was compared`);
      return compared;
    },
    summary: (compared) =>
      `${DECISIONS_PER_SERVICE} events of ${source.name} by ${service.key}: ${count(compared)} features equal the oracle's`,
  });
}
