/** Rows of what was answered, to whom and when, for the history. */
import type { FeatureService } from '../../shared/definitions/service.ts';
import type { EventSource } from '../../shared/definitions/source.ts';
import type { WindowedView } from '../../shared/definitions/view.ts';
import { historyPartition, historyRow, historySchema } from '../../shared/offline/history-schema.ts';
import {
  deliveredServedRow,
  ROW_LOGS,
  type ServedEntity,
  type ServedFeatures,
  type ServedRow,
  type ServedViews,
  servedRow,
} from '../../shared/offline/row-logs.ts';
import type { ViewReadings } from '../../shared/online/read-features.ts';
import { definitionVersions, type FeatureRepository } from '../../shared/registry/manifest.ts';
import { forcedOutcomeOf } from '../../shared/reserved-ids.ts';
import type { Decided as Outcome } from '../../shared/scoring/decide.ts';
import type { WindowEvent } from '../../shared/windows/event.ts';
import type { RowSink } from '../row-sink.ts';
import type { ActivePolicy } from './decision-policies.ts';
import { callerOf, type HttpRequest } from './http.ts';

/** What is kept of one entity's features, whatever was asked. */
interface Answered {
  readonly service: FeatureService | undefined;
  readonly entity: ServedEntity;
  readonly readings: ViewReadings;
  readonly features: ServedFeatures;
  /** When the store had answered. */
  readonly servedAtMillis: number;
}

interface DecidedAnswer extends Omit<Answered, 'features'> {
  readonly service: FeatureService;
  readonly source: EventSource;
  readonly event: WindowEvent;
  readonly eventStatus: string;
  readonly decided: Outcome;
  readonly active: ActivePolicy;
}

/** Columns that differ between routes. */
type RouteColumns =
  | 'route'
  | 'event_id'
  | 'event'
  | 'event_status'
  | 'decision'
  | 'model'
  | 'scores'
  | 'configuration_version';

const NOTHING_DECIDED = {
  event_id: null,
  event: null,
  event_status: null,
  decision: null,
  model: null,
  scores: null,
  configuration_version: null,
} as const;

/** Takes the rows of one request. */
export interface RequestRows {
  /** One entity of an answer of `/features`. */
  read(answered: Answered): void;
  /** An answer of a deciding service. */
  decided(answered: DecidedAnswer): void;
}

/** Makes rows of answers; what is the same for many answers is worked out once. */
export class AnswerRows {
  readonly #repository: FeatureRepository;
  readonly #sink: RowSink;
  readonly #versions: Readonly<Record<string, string>>;
  readonly #definitionsByService = new Map<FeatureService, string>();

  constructor({ repository, sink }: { readonly repository: FeatureRepository; readonly sink: RowSink }) {
    this.#repository = repository;
    this.#sink = sink;
    this.#versions = definitionVersions(repository);
  }

  of(request: HttpRequest): RequestRows {
    return {
      read: (answered) => {
        this.#keep(this.#servedRow(request, answered, { route: 'features', ...NOTHING_DECIDED }));
      },
      decided: (answered) => {
        const { event, eventStatus, decided, active, source } = answered;
        const champion = active.policy.champion?.key;
        this.#keep(
          this.#servedRow(
            request,
            { ...answered, features: decided.features },
            {
              route: 'predict_fraud',
              event_id: event.id,
              event: event.values,
              event_status: eventStatus,
              decision: decided.decision,
              model: champion ?? null,
              scores: {
                ...(champion !== undefined && decided.score !== null && { [champion]: decided.score }),
                ...decided.challengerScores,
              },
              configuration_version: active.configurationVersion,
            },
          ),
        );
        // What was forced not to be counted would be missed by every audit.
        const isLeftOut = eventStatus === 'read-only' || forcedOutcomeOf(event.id) === 'degraded';
        if (!isLeftOut) this.#keepEvent(source, event);
      },
    };
  }

  #keep(row: ServedRow): void {
    this.#sink.add(ROW_LOGS.served.schema.tableName, deliveredServedRow(row));
  }

  /** Features count it from this arrival on, whether or not it comes by the stream, too, and later. */
  #keepEvent(source: EventSource, event: WindowEvent): void {
    this.#sink.add(historySchema(source).tableName, { ...historyRow(source, event), ...historyPartition(event) });
  }

  #servedRow(
    request: HttpRequest,
    { service, entity, readings, features, servedAtMillis }: Answered,
    columns: Pick<Parameters<typeof servedRow>[0], RouteColumns>,
  ): ServedRow {
    const views: Record<string, ServedViews[string]> = {};
    let servedAt = servedAtMillis;
    for (const [view, { asOfMillis, highWaterMillis, arrivedAtMillis, missing }] of readings) {
      const untold = view.features.filter((_, index) => missing.includes(index)).map(({ name }) => name);
      views[view.key] = {
        as_of: asOfMillis,
        high_water: highWaterMillis ?? null,
        ...(untold.length > 0 && { untold }),
      };
      // The clock of the stream may be ahead of ours; what was counted had arrived.
      servedAt = Math.max(servedAt, arrivedAtMillis ?? servedAt);
    }
    return servedRow({
      ...columns,
      served_at: servedAt,
      request_id: request.requestContext?.requestId ?? null,
      caller: callerOf(request) ?? null,
      registry_version: this.#repository.registryVersion,
      service: service?.key ?? null,
      entity,
      views,
      definitions: this.#definitionsOf(service, readings),
      features,
    });
  }

  #definitionsOf(service: FeatureService | undefined, readings: ViewReadings): string {
    if (service === undefined) return this.#definitionsText([...readings.keys()]);
    const known = this.#definitionsByService.get(service);
    if (known !== undefined) return known;
    const text = this.#definitionsText(service.views, `${service.key} derived`);
    this.#definitionsByService.set(service, text);
    return text;
  }

  #definitionsText(views: readonly WindowedView[], ...others: readonly string[]): string {
    const names = [...views.map(({ key }) => key), ...others];
    return JSON.stringify(Object.fromEntries(names.map((name) => [name, this.#versions[name]])));
  }
}
