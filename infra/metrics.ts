/**
 * The metrics that functions write, as CloudWatch knows them: a metric exists only under exactly the dimensions with
 * which it was written, so each family has one function here and nobody spells dimensions anywhere else.
 */
import { type Duration, Stack } from 'aws-cdk-lib';
import { MathExpression, Metric, Stats } from 'aws-cdk-lib/aws-cloudwatch';
import type { DeliveryStream } from 'aws-cdk-lib/aws-kinesisfirehose';
import type { Construct } from 'constructs';
import { AUDIT_METRICS, AUDIT_SERVICE } from '../functions/audit/constants.ts';
import { ROW_METRICS } from '../functions/constants.ts';
import { LAND_EVENTS_METRICS, LAND_EVENTS_SERVICE } from '../functions/land-events/constants.ts';
import { MAKE_TRAINING_SET_SERVICE, TRAINING_SET_METRICS } from '../functions/make-training-set/constants.ts';
import type { Route } from '../functions/routes.ts';
import { SERVE_METRICS, SERVE_SERVICE } from '../functions/serve/constants.ts';
import { TRAINING_SETS_SERVICE } from '../functions/training-sets/constants.ts';
import { SERVICE_NAME, UPDATE_WINDOWS_METRICS } from '../functions/update-windows/constants.ts';
import type { EventStatus, FeatureService } from '../shared/definitions/service.ts';
import type { EventSource } from '../shared/definitions/source.ts';
import type { WindowedView } from '../shared/definitions/view.ts';

/** Names of dimensions. Powertools adds `service` to every metric. */
export const DIMENSION = {
  service: 'service',
  source: 'source',
  view: 'view',
  featureService: 'feature_service',
  route: 'route',
  feature: 'feature',
  table: 'table',
  eventStatus: 'event_status',
} as const;

/** Values of the dimension `service`. */
export const SERVICE = {
  updateWindows: SERVICE_NAME,
  serve: SERVE_SERVICE,
  landEvents: LAND_EVENTS_SERVICE,
  audit: AUDIT_SERVICE,
  makeTrainingSet: MAKE_TRAINING_SET_SERVICE,
  trainingSets: TRAINING_SETS_SERVICE,
} as const;

interface Sampling {
  readonly statistic: string;
  readonly period: Duration;
  readonly label?: string;
}

/** The metrics of one stage of one store. */
export class StoreMetrics {
  readonly #namespace: string;

  /** @param prefix of the names of the stage: its functions write into the namespace of that name. */
  constructor(prefix: string) {
    this.#namespace = prefix;
  }

  #metric(metricName: string, dimensionsMap: Readonly<Record<string, string>>, sampling: Sampling): Metric {
    return new Metric({ namespace: this.#namespace, metricName, dimensionsMap, ...sampling });
  }

  /** A metric of the stream consumer of one source. */
  consumer(
    name: Exclude<keyof typeof UPDATE_WINDOWS_METRICS, 'freshness'>,
    source: EventSource,
    sampling: Sampling,
  ): Metric {
    return this.#metric(
      UPDATE_WINDOWS_METRICS[name],
      { [DIMENSION.service]: SERVICE.updateWindows, [DIMENSION.source]: source.name },
      sampling,
    );
  }

  /** A metric of the function that makes rows of history out of the events of one source. */
  landing(name: keyof typeof LAND_EVENTS_METRICS, source: EventSource, sampling: Sampling): Metric {
    return this.#metric(
      LAND_EVENTS_METRICS[name],
      { [DIMENSION.service]: SERVICE.landEvents, [DIMENSION.source]: source.name },
      sampling,
    );
  }

  /** What became of rows of a table in the function that writes them. */
  row(
    name: keyof typeof ROW_METRICS,
    { service, tableName }: { readonly service: string; readonly tableName: string },
    sampling: Sampling,
  ): Metric {
    return this.#metric(ROW_METRICS[name], { [DIMENSION.service]: service, [DIMENSION.table]: tableName }, sampling);
  }

  /** A metric of the audits of a day. */
  audit(name: Exclude<keyof typeof AUDIT_METRICS, 'matchRate'>, sampling: Sampling): Metric {
    return this.#metric(AUDIT_METRICS[name], { [DIMENSION.service]: AUDIT_SERVICE }, sampling);
  }

  /** What became of training sets that were asked for. */
  trainingSet(name: keyof typeof TRAINING_SET_METRICS, sampling: Sampling): Metric {
    return this.#metric(TRAINING_SET_METRICS[name], { [DIMENSION.service]: MAKE_TRAINING_SET_SERVICE }, sampling);
  }

  /** Percent of the values of a view, or of a service's derived features, that an audit found equal. */
  matchRate(declaredBy: string, sampling: Sampling): Metric {
    return this.#metric(
      AUDIT_METRICS.matchRate,
      { [DIMENSION.service]: AUDIT_SERVICE, [DIMENSION.view]: declaredBy },
      sampling,
    );
  }

  /** Seconds from the arrival of an event to its visibility in the features of a view. */
  freshness(view: WindowedView, sampling: Sampling): Metric {
    return this.#metric(
      UPDATE_WINDOWS_METRICS.freshness,
      {
        [DIMENSION.service]: SERVICE.updateWindows,
        [DIMENSION.source]: view.source.name,
        [DIMENSION.view]: view.key,
      },
      sampling,
    );
  }

  /** A metric of one route of the serving function. */
  route(name: 'servingLatency' | 'availability', route: Route, sampling: Sampling): Metric {
    return this.#metric(
      SERVE_METRICS[name],
      { [DIMENSION.service]: SERVICE.serve, [DIMENSION.route]: route.name },
      sampling,
    );
  }

  /** Decisions that had to do without a view, the configuration or the model. */
  degradedDecisions(period: Duration): Metric {
    const sampling = { statistic: Stats.SUM, period };
    return this.#metric(SERVE_METRICS.degradedDecisions, { [DIMENSION.service]: SERVICE.serve }, sampling);
  }

  /** Decided events that were not simply counted, by what became of them. */
  doubtfulEvents(status: EventStatus, sampling: Sampling): Metric {
    return this.#metric(
      SERVE_METRICS.doubtfulEvents,
      { [DIMENSION.service]: SERVICE.serve, [DIMENSION.eventStatus]: status },
      sampling,
    );
  }

  /** Seconds between the evaluation instant and the last update of the items that answered, per view. */
  featureAge(view: WindowedView, sampling: Sampling): Metric {
    return this.#metric(
      SERVE_METRICS.featureAge,
      { [DIMENSION.service]: SERVICE.serve, [DIMENSION.view]: view.key },
      sampling,
    );
  }

  /** Seconds since S3 last said which configuration of a service is active, at its decisions. */
  configurationAge(service: FeatureService, sampling: Sampling): Metric {
    return this.#metric(
      SERVE_METRICS.configurationAge,
      { [DIMENSION.service]: SERVICE.serve, [DIMENSION.featureService]: service.key },
      sampling,
    );
  }

  /** Null answers of every feature, found by search: only features that were null are drawn. For dashboards alone. */
  nullFeatures(scope: Construct, period: Duration): MathExpression {
    const dimensions = [this.#namespace, DIMENSION.service, DIMENSION.feature].join(',');
    return new MathExpression({
      expression: `SEARCH('{${dimensions}} MetricName="${SERVE_METRICS.nullFeatures}"', 'Sum', ${period.toSeconds()})`,
      label: '',
      period,
      searchRegion: Stack.of(scope).region,
    });
  }
}

/** Seconds since the oldest event was taken in that Firehose has not yet written to history. */
export function landingAgeMetric(deliveryStream: DeliveryStream, period: Duration): Metric {
  return deliveryStream.metric('DeliveryToS3.DataFreshness', { statistic: Stats.MAXIMUM, period });
}
